// A head from a GLB file, drawn with WebGL: morph targets are summed here, on a few thousand points.

const TYPES = { 5120: Int8Array, 5121: Uint8Array, 5122: Int16Array, 5123: Uint16Array, 5125: Uint32Array,
  5126: Float32Array };
const WIDTH = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4 };

class Glb {
  constructor(buffer) {
    const view = new DataView(buffer);
    if (view.getUint32(0, true) !== 0x46546c67) throw new Error('this is no GLB file');
    const length = view.getUint32(12, true);
    this.json = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 20, length)));
    this.start = 20 + length + 8;
    this.buffer = buffer;
    const packed = (this.json.extensionsRequired || []).filter((name) => name !== 'KHR_texture_transform');
    if (packed.length) throw new Error(`this page cannot unpack ${packed.join(', ')}: export the head without`);
  }

  raw(view, offset, type, count, width) {
    const { byteOffset = 0, byteStride } = this.json.bufferViews[view];
    const Kind = TYPES[type], size = Kind.BYTES_PER_ELEMENT, step = byteStride || size * width;
    const out = new Kind(count * width);
    for (let i = 0; i < count; ++i) {
      const from = this.start + byteOffset + offset + i * step;
      new Uint8Array(out.buffer, i * width * size, width * size)
        .set(new Uint8Array(this.buffer, from, width * size));
    }
    return out;
  }

  accessor(index) {
    const a = this.json.accessors[index], width = WIDTH[a.type];
    const out = a.bufferView === undefined ? new TYPES[a.componentType](a.count * width)
      : this.raw(a.bufferView, a.byteOffset || 0, a.componentType, a.count, width);
    if (a.sparse) {
      const { count, indices, values } = a.sparse;
      const at = this.raw(indices.bufferView, indices.byteOffset || 0, indices.componentType, count, 1);
      const to = this.raw(values.bufferView, values.byteOffset || 0, a.componentType, count, width);
      at.forEach((place, i) => out.set(to.subarray(i * width, i * width + width), place * width));
    }
    if (!a.normalized) return out;
    const most = { 5121: 255, 5123: 65535 }[a.componentType] || 1;
    return Float32Array.from(out, (v) => v / most);
  }

  // Every mesh with morph targets, as one.
  meshes() {
    const found = [];
    for (const mesh of this.json.meshes || []) {
      const names = (mesh.extras && mesh.extras.targetNames) || [];
      for (const part of mesh.primitives) {
        const points = this.accessor(part.attributes.POSITION);
        const colours = part.attributes.COLOR_0 === undefined ? null : this.accessor(part.attributes.COLOR_0);
        const width = colours ? colours.length / (points.length / 3) : 0;
        const material = this.json.materials && this.json.materials[part.material];
        const base = (material && material.pbrMetallicRoughness && material.pbrMetallicRoughness.baseColorFactor)
          || [0.8, 0.62, 0.54, 1];
        found.push({
          points, names, colours, width, base,
          triangles: part.indices === undefined ? Uint32Array.from(points, (_, i) => i).subarray(0, points.length / 3)
            : Uint32Array.from(this.accessor(part.indices)),
          targets: (part.targets || []).map((t) => (t.POSITION === undefined ? null : this.accessor(t.POSITION))),
        });
      }
    }
    if (!found.some(({ targets }) => targets.length)) throw new Error('no mesh of this file has morph targets');
    return found;
  }
}

const VERTEX = `attribute vec3 point, normal, colour; uniform mat4 view; varying vec3 n, c;
void main() { n = normal; c = colour; gl_Position = view * vec4(point, 1.0); }`;
const FRAGMENT = `precision mediump float; varying vec3 n, c;
void main() { vec3 u = normalize(n); float key = max(dot(u, normalize(vec3(0.5, 0.6, 0.9))), 0.0);
  float fill = max(dot(u, normalize(vec3(-0.8, 0.1, 0.5))), 0.0), rim = pow(1.0 - abs(u.z), 3.0);
  vec3 light = vec3(0.24, 0.25, 0.29) + key * vec3(0.74, 0.70, 0.66) + fill * vec3(0.12, 0.15, 0.22);
  gl_FragColor = vec4(pow(c * light + rim * 0.05, vec3(1.0 / 2.2)), 1.0); }`;

/** The head of a GLB on a canvas. lips: two points whose distance on y is the gap, in the file's unit. */
export class Head {
  constructor(canvas, buffer, lips) {
    this.canvas = canvas;
    this.lips = lips;
    const parts = new Glb(buffer).meshes();
    const count = parts.reduce((sum, { points }) => sum + points.length / 3, 0);
    this.rest = new Float32Array(3 * count);
    this.colours = new Float32Array(3 * count);
    this.targets = new Map(); // name -> [{at, deltas}], only where something moves
    const triangles = [];
    let first = 0;
    for (const part of parts) {
      this.rest.set(part.points, 3 * first);
      for (let i = 0; i < part.points.length / 3; ++i) {
        for (let k = 0; k < 3; ++k) {
          this.colours[3 * (first + i) + k] = part.base[k] * (part.colours ? part.colours[i * part.width + k] : 1);
        }
      }
      for (const corner of part.triangles) triangles.push(corner + first);
      part.targets.forEach((target, i) => target && this.keep(part.names[i] || `target ${i}`, target, first));
      first += part.points.length / 3;
    }
    this.triangles = Uint32Array.from(triangles);
    this.points = this.rest.slice();
    this.normals = new Float32Array(3 * count);
    this.turn = 0;
    this.start();
  }

  get names() {
    return [...this.targets.keys()];
  }

  keep(name, target, first) {
    const at = [], deltas = [];
    for (let i = 0; i < target.length; i += 3) {
      if (!target[i] && !target[i + 1] && !target[i + 2]) continue;
      at.push(3 * first + i);
      deltas.push(target[i], target[i + 1], target[i + 2]);
    }
    const all = this.targets.get(name) || [];
    all.push({ at: Uint32Array.from(at), deltas: Float32Array.from(deltas) });
    this.targets.set(name, all);
  }

  start() {
    const gl = (this.gl = this.canvas.getContext('webgl', { antialias: true, preserveDrawingBuffer: true }));
    if (!gl) throw new Error('this browser draws no WebGL');
    gl.getExtension('OES_element_index_uint');
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.view = gl.getUniformLocation(program, 'view');
    this.buffers = ['point', 'normal', 'colour'].map((name) => {
      const buffer = gl.createBuffer(), place = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
      return buffer;
    });
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[2]);
    gl.bufferData(gl.ARRAY_BUFFER, this.colours, gl.STATIC_DRAW);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.triangles, gl.STATIC_DRAW);
    gl.enable(gl.DEPTH_TEST);
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    this.rest.forEach((v, i) => {
      low[i % 3] = Math.min(low[i % 3], v);
      high[i % 3] = Math.max(high[i % 3], v);
    });
    this.middle = low.map((v, i) => (v + high[i]) / 2);
    this.size = Math.max(...high.map((v, i) => v - low[i]));
  }

  // get: value of a channel by name.
  pose(get) {
    this.points.set(this.rest);
    for (const [name, parts] of this.targets) {
      const weight = get(name);
      if (!weight) continue;
      for (const { at, deltas } of parts) {
        for (let i = 0, k = 0; i < at.length; ++i, k += 3) {
          const to = at[i];
          this.points[to] += weight * deltas[k];
          this.points[to + 1] += weight * deltas[k + 1];
          this.points[to + 2] += weight * deltas[k + 2];
        }
      }
    }
    return this;
  }

  /** The gap between the lips of the pose, in centimetres; NaN of a head whose lips nobody named. */
  gapCm() {
    if (!this.lips) return NaN;
    return (this.points[3 * this.lips[0] + 1] - this.points[3 * this.lips[1] + 1]) * 100;
  }

  shade() {
    const { points: p, normals: n, triangles: t } = this;
    n.fill(0);
    for (let i = 0; i < t.length; i += 3) {
      const a = 3 * t[i], b = 3 * t[i + 1], c = 3 * t[i + 2];
      const ux = p[b] - p[a], uy = p[b + 1] - p[a + 1], uz = p[b + 2] - p[a + 2];
      const vx = p[c] - p[a], vy = p[c + 1] - p[a + 1], vz = p[c + 2] - p[a + 2];
      const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx;
      for (const at of [a, b, c]) {
        n[at] += x;
        n[at + 1] += y;
        n[at + 2] += z;
      }
    }
  }

  draw() {
    const { gl, canvas } = this, ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    this.shade();
    gl.viewport(0, 0, width, height);
    gl.clearColor(0.086, 0.094, 0.117, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    [this.points, this.normals].forEach((data, i) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[i]);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
    });
    gl.uniformMatrix4fv(this.view, false, this.camera(width / height));
    gl.drawElements(gl.TRIANGLES, this.triangles.length, gl.UNSIGNED_INT, 0);
  }

  // From the front, turned by `turn`, far enough for a calm face.
  camera(aspect) {
    const [mx, middle, mz] = this.middle, my = middle + 0.13 * this.size, far = this.size * 1.75, s = Math.sin(this.turn), c = Math.cos(this.turn);
    const f = 3.3 * Math.min(1, 1.15 * aspect), x = f / aspect, near = this.size * 0.5, end = this.size * 6;
    const z = (near + end) / (near - end), w = (2 * near * end) / (near - end);
    const tx = -(c * mx + s * mz), tz = -(-s * mx + c * mz) - far;
    return new Float32Array([x * c, 0, z * -s, s, 0, f, 0, 0, x * s, 0, z * c, -c, x * tx, -f * my, z * tz + w, -tz]);
  }
}
