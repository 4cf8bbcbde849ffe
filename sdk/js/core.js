// The C library inside WebAssembly: audio samples in, face frames out. No page, no clock, no dependency: it runs in a
// page, in a worker, in an AudioWorklet and in Node.

export const STATUS = { OK: 0, AGAIN: 1, END: 2, BAD_ARGUMENT: -1, BAD_AUDIO: -4 };
const ERROR_BYTES = 512;
const BLOCK = 4096; // samples that are handed over at a time

/** A failed call of the library: what, why and what to do. */
export class TinyfaceError extends Error {
  constructor(status, message) {
    super(message);
    this.name = 'TinyfaceError';
    this.status = status;
  }
}

// AudioWorklets have no TextDecoder.
function text(bytes, at) {
  let out = '';
  for (let i = at; bytes[i]; ) {
    const first = bytes[i];
    const more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    let code = more ? first & (0x3f >> more) : first;
    for (let k = 1; k <= more; ++k) code = (code << 6) | (bytes[i + k] & 0x3f);
    out += String.fromCodePoint(code);
    i += more + 1;
  }
  return out;
}

// The module asks for a few of WASI's functions, which only a crash would call.
function stubs(module) {
  const out = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    out[from] = out[from] || {};
    out[from][name] = () => {
      if (name === 'proc_exit') throw new TinyfaceError(-12, 'the library ended: there is not enough memory');
      return 52; // ENOSYS
    };
  }
  return out;
}

/**
 * A frame rate as [numerator, denominator]: of two whole numbers, or of a number from 1 to 240, whose 29.97 is the
 * 30000/1001 that film and television mean by it, as everywhere in tinyface. Throws TinyfaceError for anything else.
 */
export function rateOf(fps) {
  if (typeof fps === 'number' && fps >= 1 && fps <= 240) {
    const nominal = Math.floor(fps + 0.5);
    const television = fps < nominal && Math.abs(fps - nominal * 1000 / 1001) < 0.006;
    if (television) return [nominal * 1000, 1001];
    return fps === nominal ? [fps, 1] : [Math.floor(fps * 1000 + 0.5), 1000];
  }
  const whole = (value) => Number.isInteger(value) && value >= 1 && value < 2 ** 32;
  if (Array.isArray(fps) && fps.length === 2 && fps.every(whole)) return fps;
  throw new TinyfaceError(STATUS.BAD_ARGUMENT, `fps ${JSON.stringify(fps)} is no frame rate: give a number from 1 to `
    + '240, or two whole ones as [30000, 1001]');
}

/** One artefact and one voice of it. */
export class Core {
  /**
   * wasm: bytes of tinyface.wasm, or a compiled module. model: bytes of an artefact of the backend tinyface.
   * options: rateHz (of the audio, 8000 to 96000), fps (what `rateOf` takes; the artefact's own), smooth (the
   * real-time ensemble, one frame at twice the rate later). Throws TinyfaceError.
   */
  constructor(wasm, model, options = {}) {
    const module = wasm instanceof WebAssembly.Module ? wasm : new WebAssembly.Module(wasm);
    this.c = new WebAssembly.Instance(module, stubs(module)).exports;
    if (this.c._initialize) this.c._initialize();
    this.error = this.room(ERROR_BYTES);
    this.version = text(this.bytes, this.c.fp_version_string());
    this.open(new Uint8Array(model.buffer ? model.buffer : model, model.byteOffset || 0, model.byteLength));
    this.rateHz = options.rateHz || 16000;
    this.voice(options);
  }

  get bytes() {
    return new Uint8Array(this.c.memory.buffer);
  }
  get words() {
    return new Uint32Array(this.c.memory.buffer);
  }
  room(bytes) {
    const at = this.c.malloc(bytes);
    if (!at) throw new TinyfaceError(-12, 'there is not enough memory');
    this.bytes.fill(0, at, at + bytes);
    return at;
  }
  check(status) {
    if (status < 0) throw new TinyfaceError(status, text(this.bytes, this.error) || `status ${status}`);
    return status;
  }

  open(model) {
    this.file = this.room(model.byteLength + 64);
    const at = Math.ceil(this.file / 64) * 64; // where the library plays it, without a copy of its own
    const handle = this.room(4);
    this.bytes.set(model, at);
    this.check(this.c.fp_model_open_in_place(at, model.byteLength, handle, this.error));
    this.model = this.words[handle >> 2];
    const info = this.room(96);
    this.words[info >> 2] = 96;
    this.check(this.c.fp_model_get_info(this.model, info, this.error));
    const w = this.words.subarray(info >> 2, (info >> 2) + 24);
    const [, channels, , , future, numerator, denominator] = w;
    this.info = {
      channels, futureSamples: future, fps: [numerator, denominator], parameters: w[12], bytes: w[14],
      student: text(this.bytes, w[16]), precision: text(this.bytes, w[17]), sha256: text(this.bytes, w[19]),
      kind: w[20] ? 'stream' : 'window',
    };
    this.names = Array.from({ length: channels }, (_, i) =>
      text(this.bytes, this.c.fp_model_channel_name(this.model, i)));
    const range = this.room(12);
    this.ranges = this.names.map((_, i) => {
      this.check(this.c.fp_model_channel_range(this.model, i, range, range + 4, range + 8, this.error));
      return Array.from(new Float32Array(this.c.memory.buffer, range, 3));
    });
    this.styles = [];
    for (let name; (name = this.c.fp_model_style_name(this.model, this.styles.length)); ) {
      this.styles.push(text(this.bytes, name));
    }
    this.strengths = this.room(4 * Math.max(this.styles.length, 1));
    this.c.free(range);
    this.c.free(info);
    this.c.free(handle);
  }

  voice({ fps, smooth } = {}) {
    const [numerator, denominator] = fps == null ? [0, 0] : rateOf(fps); // 0: the artefact's own
    const config = this.room(40);
    const handle = this.room(4);
    this.words.set([40, this.rateHz, 1, numerator, denominator, smooth === undefined ? 0 : smooth ? 2 : 1],
      config >> 2);
    const status = this.c.fp_stream_create(this.model, config, handle, this.error);
    const stream = this.words[handle >> 2];
    this.c.free(config);
    this.c.free(handle);
    this.check(status);
    if (this.stream) this.c.fp_stream_destroy(this.stream);
    this.stream = stream;
    this.samples = this.samples || this.room(4 * BLOCK);
    this.taken = this.taken || this.room(4);
    this.frame = this.frame || this.room(24);
    this.values = this.values || this.room(4 * this.info.channels);
    this.latency = this.ask(128);
  }

  // Latency in seconds when `chunk` samples are pushed at a time.
  ask(chunk) {
    const at = this.room(28);
    this.words[at >> 2] = 28;
    this.check(this.c.fp_stream_latency_samples(this.stream, chunk, at, this.error));
    const total = this.words[(at >> 2) + 5];
    this.c.free(at);
    return total / 16000;
  }

  /**
   * Take float samples in; each frame that falls due goes to onframe(values, index, sample), good until it returns.
   * Throws TinyfaceError: of status -4 for samples that are no sound, of which, and of what follows, none is taken;
   * `pushed` is how many were before, and with others in their place the voice goes on.
   */
  push(samples, onframe) {
    for (this.pushed = 0; this.pushed < samples.length; ) {
      const count = Math.min(BLOCK, samples.length - this.pushed);
      new Float32Array(this.c.memory.buffer, this.samples, count)
        .set(samples.subarray(this.pushed, this.pushed + count));
      this.check(this.c.fp_stream_push_f32(this.stream, this.samples, count, this.taken, this.error));
      this.pushed += this.words[this.taken >> 2];
      this.pull(onframe);
    }
  }

  pull(onframe) {
    for (;;) {
      this.words[this.frame >> 2] = 24;
      const status = this.check(
        this.c.fp_stream_pull(this.stream, this.frame, this.values, this.info.channels, this.error));
      if (status !== STATUS.OK) return status;
      const at = this.words.subarray(this.frame >> 2, (this.frame >> 2) + 6);
      onframe(new Float32Array(this.c.memory.buffer, this.values, this.info.channels), at[2] + at[3] * 2 ** 32,
        at[4] + at[5] * 2 ** 32);
    }
  }

  /** The last frames of the take. */
  finish(onframe) {
    this.check(this.c.fp_stream_finish(this.stream, this.error));
    this.pull(onframe);
  }

  /** From the next hop on, speak so: style({ anger: 0.7 }), style() for neutral. A reset keeps it. */
  style(strengths = {}) {
    const unknown = Object.keys(strengths).filter((name) => !this.styles.includes(name));
    if (unknown.length) {
      const known = this.styles.length ? `there are: ${this.styles.join(', ')}` : 'this artefact has none';
      throw new TinyfaceError(STATUS.BAD_ARGUMENT, `no style ${unknown.join(', ')}; ${known}`);
    }
    const count = this.styles.length;
    if (!count) return;
    new Float32Array(this.c.memory.buffer, this.strengths, count).set(this.styles.map((name) => strengths[name] ?? 0));
    this.check(this.c.fp_stream_set_style(this.stream, this.strengths, count, this.error));
  }

  /** A new take: the next sample is sample 0. */
  reset() {
    this.check(this.c.fp_stream_reset(this.stream, this.error));
  }

  close() {
    this.c.fp_stream_destroy(this.stream);
    this.c.fp_model_close(this.model);
    this.c.free(this.file);
    this.stream = this.model = 0;
  }
}
