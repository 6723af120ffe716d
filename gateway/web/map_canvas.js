/** Draws points by WebGL: one call for all of them, whatever their number. */

import { h } from "./dom.js";
import { palette, shapeOf } from "./map_kinds.js";
import { calm } from "./theme.js";

const COLORS = 13; // of palette(): the kinds, the surface, the ink
const MOVE_MS = 900;

const VERTEX = `
attribute vec2 from; attribute vec2 to; attribute vec3 look; // colour, shape, shown
uniform vec2 middle; uniform vec2 scale; uniform float share, size, turn; uniform vec3 colors[${COLORS}];
varying vec3 fill, rim; varying float shape, shown, wide;
void main() {
  // What is not shown is drawn first, below all others.
  gl_Position = look.z == turn ? vec4((mix(from, to, share) - middle) * scale, 0.0, 1.0) : vec4(2.0);
  gl_PointSize = look.z > 0.0 ? size : max(2.0, size * 0.5);
  fill = colors[int(look.x)]; rim = colors[${COLORS - 2}];
  shape = look.y; shown = look.z; wide = gl_PointSize;
}`;

const FRAGMENT = `
precision mediump float;
varying vec3 fill, rim; varying float shape, shown, wide;
void main() {
  vec2 p = 2.0 * gl_PointCoord - 1.0;
  float d = length(p);
  if (shape > 2.5) d = max(p.y / 0.8, 0.4775 + 0.9625 * abs(p.x) - 0.5225 * p.y);
  else if (shape > 1.5) d = abs(p.x) + abs(p.y);
  else if (shape > 0.5) d = max(abs(p.x), abs(p.y)) * 1.12;
  float soft = 2.0 / wide;
  float inside = 1.0 - smoothstep(1.0 - soft, 1.0, d);
  float edge = shown * 0.65 * smoothstep(1.0 - 2.2 * soft, 1.0 - 1.2 * soft, d);
  gl_FragColor = vec4(mix(fill, rim, edge), 1.0) * inside * mix(0.16, 1.0, shown);
}`;

export class MapCanvas {
  #gl;
  #program;
  #buffers = {};
  #points;
  #of;
  #from;
  #began = 0;
  #asked = 0;
  #watch = new ResizeObserver(() => this.#resized());

  /** `onframe()` is called with each drawing, to move what lies above the canvas along. */
  constructor(view, onframe) {
    this.view = view;
    this.onframe = onframe;
    this.node = h("canvas", { class: "map-canvas" });
    this.node.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.node.addEventListener("webglcontextrestored", () => this.#start());
    this.#watch.observe(this.node);
    this.#start();
  }

  /** Whether this browser can draw it. */
  get able() {
    return Boolean(this.#gl);
  }

  /** Shows points with `of`, the index of the kind of each; they move there from where they were on `before`. */
  show(points, of, before) {
    this.#points = points;
    this.#of = of;
    this.#from = before ? points.placesOn(before) : points.places;
    this.#began = before && !calm() ? performance.now() : -Infinity;
    this.#fill();
  }

  /** Takes over colours, kinds and what is visible. */
  restyle(of = this.#of) {
    this.#of = of;
    this.#fill();
  }

  /** Draws with the next frame. */
  draw() {
    this.#asked ||= requestAnimationFrame(() => this.#frame());
  }

  leave() {
    cancelAnimationFrame(this.#asked);
    this.#watch.disconnect();
    this.#gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** Size of a point in pixels of the page. */
  get size() {
    const count = this.#points?.count ?? 0;
    const base = count > 5000 ? 6 : count > 800 ? 8 : count > 100 ? 11 : 15;
    return base * Math.min(2.5, Math.max(1, this.view.zoom ** 0.35));
  }

  #start() {
    const gl = this.node.getContext("webgl", { antialias: false, depth: false, premultipliedAlpha: true });
    this.#gl = gl;
    if (!gl) return;
    this.#program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(this.#program, shader);
    }
    gl.linkProgram(this.#program);
    if (!gl.getProgramParameter(this.#program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(this.#program));
    gl.useProgram(this.#program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.#buffers = Object.fromEntries(["from", "to", "look"].map((name) => [name, gl.createBuffer()]));
    this.#fill();
  }

  #fill() {
    if (!this.#gl || !this.#points) return;
    const { count, visible, places } = this.#points;
    const look = new Float32Array(3 * count);
    for (let row = 0; row < count; row += 1) {
      look.set([this.#of[row], shapeOf(this.#of[row]), visible[row]], 3 * row);
    }
    this.#attribute("from", this.#from, 2);
    this.#attribute("to", places, 2);
    this.#attribute("look", look, 3);
    this.#set("uniform3fv", "colors", palette().flat());
    this.draw();
  }

  #attribute(name, values, size) {
    const gl = this.#gl;
    const place = gl.getAttribLocation(this.#program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
  }

  #set(kind, name, ...values) {
    this.#gl[kind](this.#gl.getUniformLocation(this.#program, name), ...values);
  }

  #resized() {
    const { width, height } = this.node.getBoundingClientRect();
    this.view.resize(width, height);
    this.draw();
  }

  #frame() {
    this.#asked = 0;
    const gl = this.#gl;
    if (!gl || !this.#points) return;
    const { view, node } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
    if (node.width !== width || node.height !== height) Object.assign(node, { width, height });
    const share = Math.min(1, (performance.now() - this.#began) / MOVE_MS);
    gl.viewport(0, 0, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.#set("uniform2f", "middle", view.x, view.y);
    this.#set("uniform2f", "scale", (2 * view.scale) / view.width, (2 * view.scale) / view.height);
    this.#set("uniform1f", "share", share * share * (3 - 2 * share));
    this.#set("uniform1f", "size", this.size * ratio);
    for (const turn of [0, 1]) {
      this.#set("uniform1f", "turn", turn);
      gl.drawArrays(gl.POINTS, 0, this.#points.count);
    }
    this.onframe();
    if (share < 1) this.draw();
  }
}
