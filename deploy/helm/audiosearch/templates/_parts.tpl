{{/* The name of a part: that of the release, and its own. */}}
{{- define "audiosearch.name" -}}
{{- printf "%s-%s" (trunc 50 .root.Release.Name) .part -}}
{{- end }}

{{- define "audiosearch.selector" -}}
app.kubernetes.io/name: audiosearch
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "audiosearch.labels" -}}
{{ include "audiosearch.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "audiosearch.image" -}}
{{- with .root.Values.images.registry }}{{ trimSuffix "/" . }}/{{ end -}}
audiosearch-{{ .part }}:{{ .root.Values.images.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* What all pods share, below `spec` of a Deployment's pod. */}}
{{- define "audiosearch.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "audiosearch.selector" . | nindent 8 }}
{{- end }}

{{- define "audiosearch.user" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "audiosearch.restrained" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* A Deployment of one of the four services. Takes root, part, port, and lists of env, mounts and volumes. */}}
{{- define "audiosearch.service" -}}
{{- $own := index .root.Values .part -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "audiosearch.name" . }}
  labels: {{- include "audiosearch.labels" . | nindent 4 }}
spec:
  {{- if not $own.autoscaling.enabled }}
  replicas: {{ $own.replicas }}
  {{- end }}
  selector:
    matchLabels: {{- include "audiosearch.selector" . | nindent 6 }}
  strategy:
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  template:
    metadata:
      labels: {{- include "audiosearch.labels" . | nindent 8 }}
        {{- with .root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        {{- if .root.Values.metrics.port }}
        prometheus.io/scrape: "true"
        prometheus.io/port: {{ .root.Values.metrics.port | quote }}
        {{- end }}
        {{- with .root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "audiosearch.pod" . | nindent 6 }}
      # The 5 s of draining, the time for running calls, and some more.
      terminationGracePeriodSeconds: {{ add 15 .root.Values.graceSeconds }}
      securityContext: {{- include "audiosearch.user" . | nindent 8 }}
      containers:
        - name: {{ .part }}
          image: {{ include "audiosearch.image" . }}
          imagePullPolicy: {{ .root.Values.images.pullPolicy }}
          securityContext: {{- include "audiosearch.restrained" . | nindent 12 }}
          resources: {{- toYaml $own.resources | nindent 12 }}
          ports:
            - {name: grpc, containerPort: {{ .port }}}
            {{- if eq .part "gateway" }}
            - {name: rest, containerPort: 8002}
            {{- end }}
            {{- with .root.Values.metrics.port }}
            - {name: metrics, containerPort: {{ . }}}
            {{- end }}
          env:
            - {name: AUDIOSEARCH_DRAIN_SECONDS, value: "5"}
            - {name: AUDIOSEARCH_GRACE_SECONDS, value: {{ .root.Values.graceSeconds | quote }}}
            {{- with .root.Values.metrics.port }}
            - {name: AUDIOSEARCH_METRICS_PORT, value: {{ . | quote }}}
            {{- end }}
            {{- with .root.Values.traces.endpoint }}
            - {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
            {{- end }}
            {{- with .env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
            {{- range $name, $value := $own.settings }}
            - {name: {{ $name }}, value: {{ $value | toString | quote }}}
            {{- end }}
          {{- with compact (list .secret .storeSecret) }}
          envFrom:
            {{- range . }}
            - secretRef: {name: {{ . }}}
            {{- end }}
          {{- end }}
          # The first start of embedding may download and convert a model.
          startupProbe:
            grpc: {port: {{ .port }}, service: liveness}
            periodSeconds: 2
            failureThreshold: 450
          # Only a process that no longer answers is started again. A store that is away is no reason.
          livenessProbe:
            grpc: {port: {{ .port }}, service: liveness}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            grpc: {port: {{ .port }}}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          volumeMounts:
            - {name: scratch, mountPath: /tmp}
            {{- with .mounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: scratch
          emptyDir: {sizeLimit: {{ .scratch | default "1Gi" }}}
        {{- with .volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
---
# Without an address of its own: Envoy looks up the pods and balances each call.
apiVersion: v1
kind: Service
metadata:
  name: {{ include "audiosearch.name" . }}
  labels: {{- include "audiosearch.labels" . | nindent 4 }}
spec:
  clusterIP: None
  selector: {{- include "audiosearch.selector" . | nindent 4 }}
  ports:
    - {name: grpc, port: {{ .port }}, targetPort: grpc, appProtocol: kubernetes.io/h2c}
    {{- if eq .part "gateway" }}
    - {name: rest, port: 8002, targetPort: rest}
    {{- end }}
{{- if or $own.autoscaling.enabled (gt (int $own.replicas) 1) }}
---
{{ include "audiosearch.disruptions" . }}
{{- end }}
{{- if $own.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "audiosearch.name" . }}
  labels: {{- include "audiosearch.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "audiosearch.name" . }}}
  minReplicas: {{ $own.replicas }}
  maxReplicas: {{ $own.autoscaling.most }}
  metrics:
    {{- if eq .part "embedding" }}
    - type: Pods
      pods:
        metric:
          name: {{ $own.autoscaling.metric }}
          selector:
            matchLabels: {queue: encoder}
        target: {type: AverageValue, averageValue: {{ $own.autoscaling.queued | quote }}}
    {{- else }}
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $own.autoscaling.processor }}}
    {{- end }}
{{- end }}
{{- if .root.Values.networkPolicies.enabled }}
---
# Only Envoy calls a service, and only Prometheus reads its metrics.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "audiosearch.name" . }}
  labels: {{- include "audiosearch.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "audiosearch.selector" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector:
            matchLabels: {{- include "audiosearch.selector" (dict "root" .root "part" "envoy") | nindent 14 }}
      ports:
        - {port: grpc}
        {{- if eq .part "gateway" }}
        - {port: rest}
        {{- end }}
    {{- with .root.Values.metrics.port }}
    - from:
        - namespaceSelector:
            matchLabels: {{- toYaml $.root.Values.metrics.namespaceLabels | nindent 14 }}
      ports:
        - {port: metrics}
    {{- end }}
{{- end }}
{{- end }}

{{- define "audiosearch.disruptions" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "audiosearch.name" . }}
  labels: {{- include "audiosearch.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "audiosearch.selector" . | nindent 6 }}
{{- end }}
