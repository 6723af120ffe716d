/** Words of the calibration of a library. */

export const strings = {
  en: {
    title: "Calibration",
    none: "This library has no calibration: the default threshold decides.",
    noneMore:
      "A calibration measures, on clips whose speakers are known, what a score means here, and " +
      "how often a decision is wrong. It takes clips of two speakers at least, two of each; " +
      "twenty speakers make good figures.",
    fit: "Calibrate",
    again: "Calibrate again",
    fitting: "Calibrating…",
    fittedAloud: "Calibrated.",
    remove: "Remove",
    removeTitle: "Remove the calibration?",
    removeWhat:
      "The default threshold decides then, and how often it is wrong is not known. Calibrating " +
      "again takes seconds.",
    removed: "The calibration is removed.",
    saved: "This threshold decides from now on.",
    options: "How it is measured",
    enrollmentClips: "Recordings per speaker",
    enrollmentClipsNote: "As many as speakers are enrolled with; empty means as they are now.",
    normalization: "Scores",
    normalizationNote: "Normalised scores compare with other voices of the library.",
    UNSPECIFIED: "Whichever decides better",
    NONE: "Plain (cosine)",
    AS_NORM: "Normalised (AS-norm)",
    NORMALIZATION_UNSPECIFIED: "Plain (cosine)",
    NORMALIZATION_NONE: "Plain (cosine)",
    NORMALIZATION_AS_NORM: "Normalised (AS-norm)",

    missRate: "Wrongly rejected",
    falseAlarmRate: "Wrongly accepted",
    eer: "Equal error rate",
    eerMore: "where both are as frequent",
    between: ({ low, high }) => `${low} to ${high}`,
    threshold: "Threshold",
    thresholdIs: ({ likelihood, value }) => `${likelihood} (${value})`,
    point: "Chosen by",
    atMostFalseAlarms: ({ rate }) => `at most ${rate} false alarms`,
    byCosts: ({ pTarget, ratio }) =>
      ratio === "1"
        ? `equal costs, ${pTarget} of voices being the speaker's`
        : `a false alarm costs ${ratio} misses, ${pTarget} of voices being the speaker's`,
    scores: "Scores",
    speakers: "Speakers",
    clips: "Clips",
    trials: "Comparisons",
    trialsOf: ({ target, nontarget }) =>
      `${target} of the same voice, ${nontarget} of different voices`,
    bits: ({ value }) => `${value} bits`,
    made: "Measured",

    pick: "Errors by threshold",
    pickMore:
      "Further right, fewer strangers are accepted, and more recordings of speakers are rejected.",
    slider: "Threshold of decisions",
    pointAloud: ({ value, miss, falseAlarm }) =>
      `threshold ${value}, ${miss} wrongly rejected, ${falseAlarm} wrongly accepted`,
    pointSaid: ({ likelihood, value }) => `Accepted from: ${likelihood} (${value})`,
    missSaid: ({ rate }) => `${rate} wrongly rejected`,
    falseAlarmSaid: ({ rate }) => `${rate} wrongly accepted`,
    savePoint: "Use this threshold",
    backToSaved: "Back to the current one",
    axis: "threshold, as a log-likelihood ratio",
    chart: ({ from, to }) =>
      `Share of wrong decisions over the threshold, a log-likelihood ratio from ${from} to ` +
      `${to}: the higher, the more are wrongly rejected and the fewer are wrongly accepted.`,
    missKey: "wrongly rejected (miss)",
    falseAlarmKey: "wrongly accepted (false alarm)",
    savedKey: "current threshold",
    intervalKey: "95% interval",
  },
  zh: {
    title: "校准",
    none: "这个库没有校准：由默认阈值判定。",
    noneMore:
      "校准用说话人已知的片段测出这里的得分意味着什么、判定会错多少。至少需要两位说话人、每人两个片段；有二十位说话人时数字才可靠。",
    fit: "校准",
    again: "重新校准",
    fitting: "正在校准…",
    fittedAloud: "已校准。",
    remove: "删除校准",
    removeTitle: "删除校准？",
    removeWhat: "之后由默认阈值判定，也不知道会错多少。重新校准只需几秒。",
    removed: "已删除校准。",
    saved: "今后在这里判定。",
    options: "测量方式",
    enrollmentClips: "每位说话人的录音数",
    enrollmentClipsNote: "与登记时的数目相同；留空则按现有情况。",
    normalization: "得分",
    normalizationNote: "归一化得分会与库里其他声音比较。",
    UNSPECIFIED: "判定更准的一种",
    NONE: "原始（余弦）",
    AS_NORM: "归一化（AS-norm）",
    NORMALIZATION_UNSPECIFIED: "原始（余弦）",
    NORMALIZATION_NONE: "原始（余弦）",
    NORMALIZATION_AS_NORM: "归一化（AS-norm）",

    missRate: "错误拒绝",
    falseAlarmRate: "错误接受",
    eer: "等错误率",
    eerMore: "两种错误同样多",
    between: ({ low, high }) => `${low} 至 ${high}`,
    threshold: "阈值",
    thresholdIs: ({ likelihood, value }) => `${likelihood}（${value}）`,
    point: "选定方式",
    atMostFalseAlarms: ({ rate }) => `错误接受至多 ${rate}`,
    byCosts: ({ pTarget, ratio }) =>
      ratio === "1"
        ? `代价相等，本人占 ${pTarget}`
        : `一次错误接受的代价为 ${ratio} 次错误拒绝，本人占 ${pTarget}`,
    scores: "得分",
    speakers: "说话人",
    clips: "片段",
    trials: "比较次数",
    trialsOf: ({ target, nontarget }) => `同一人 ${target}，他人 ${nontarget}`,
    bits: ({ value }) => `${value} 比特`,
    made: "测量于",

    pick: "在哪里判定",
    pickMore: "越往右，被认作某人的陌生人越少，被拒绝的本人越多。",
    slider: "判定阈值",
    pointAloud: ({ value, miss, falseAlarm }) =>
      `阈值 ${value}，错误拒绝 ${miss}，错误接受 ${falseAlarm}`,
    pointSaid: ({ likelihood, value }) => `接受下限：${likelihood}（${value}）`,
    missSaid: ({ rate }) => `错误拒绝 ${rate}`,
    falseAlarmSaid: ({ rate }) => `错误接受 ${rate}`,
    savePoint: "在这里判定",
    backToSaved: "回到原处",
    axis: "阈值（对数似然比）",
    chart: ({ from, to }) =>
      `错误判定的比例随阈值（对数似然比 ${from} 至 ${to}）的变化：阈值越高，错误拒绝越多，错误接受越少。`,
    missKey: "错误拒绝",
    falseAlarmKey: "错误接受",
    savedKey: "现在的判定处",
    intervalKey: "95% 区间",
  },
};
