// Speech in, a face out, in a page: no server, no dependency.
//
//     const voice = await Tinyface.open('s7.pte', { context });
//     voice.connect(context.createMediaStreamSource(stream));
//     voice.onframe = (frame) => (mesh.jaw = frame.get('jawOpen'));
//     requestAnimationFrame: voice.draw() gives the values for the sound that is heard now
import { Core, TinyfaceError, rateOf } from './core.js';
import { Track } from './track.js';
import { drive, expressions, forTalkingHead, visemes, VISEMES } from './names.js';

export { Core, drive, expressions, forTalkingHead, TinyfaceError, Track, visemes, VISEMES };

const MARGIN_S = 0.03; // a frame of sixty a second, and a page that was busy for one
const JITTER_S = 0.005; // a frame is not on time to the millisecond
const [LOWEST_HZ, HIGHEST_HZ, OWN_HZ] = [8000, 96000, 48000]; // of the sound that the library takes

async function bytesOf(source) {
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return source;
  const answer = await fetch(source).catch((error) => {
    throw new TinyfaceError(-6, `${source}: cannot read: ${error.message}`);
  });
  if (!answer.ok) throw new TinyfaceError(-6, `${source}: cannot read: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

async function load(worklet, context) {
  needed(context.audioWorklet, 'AudioWorklet');
  await context.audioWorklet.addModule(worklet).catch((error) => {
    throw new TinyfaceError(-6, `${worklet}: cannot load: ${error.message}`);
  });
}

// On a page of http from elsewhere a browser has neither microphone nor audio thread, and says nothing of it.
function needed(part, name) {
  if (part) return;
  throw new TinyfaceError(-1, `this page has no ${name}, which browsers give to safe pages alone: `
    + 'serve it by https, or from localhost');
}

const takes = ({ sampleRate }) => !(sampleRate < LOWEST_HZ || sampleRate > HIGHEST_HZ);

function hangUp(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** The values of one instant, by name. */
export class Frame {
  constructor(names, places, values, time, index) {
    Object.assign(this, { names, places, values, time, index });
  }
  /** Undefined for a channel that the rig does not have. */
  get(name) {
    return this.values[this.places.get(name)];
  }
  toObject() {
    return Object.fromEntries(this.names.map((name, i) => [name, this.values[i]]));
  }
}

/** One voice in one page. */
export class Tinyface extends EventTarget {
  /**
   * model: address or bytes of an artefact of the backend tinyface.
   * options: context (AudioContext; a new one), wasm (address or bytes of tinyface.wasm; beside this file), worklet
   * (address; beside this file), fps (a number, or [n, m]; 60), smooth (the ensemble), strength (1), smoothing (0..0.95: how
   * much of the last picture stays). Rejects with TinyfaceError.
   */
  static async open(model, options = {}) {
    const here = (name) => new URL(name, import.meta.url);
    const context = options.context || Tinyface.context();
    let voice;
    try {
      if (!takes(context)) {
        throw new TinyfaceError(-1, `the context runs at ${context.sampleRate} Hz, and a voice takes ${LOWEST_HZ} to `
          + `${HIGHEST_HZ}: make it by Tinyface.context(), or by new AudioContext({ sampleRate: ${OWN_HZ} })`);
      }
      const [wasm, artefact] = await Promise.all([
        bytesOf(options.wasm || here('tinyface.wasm')), bytesOf(model),
        load(options.worklet || here('worklet.js'), context),
      ]);
      voice = new Tinyface(context, wasm, artefact, options);
      voice.owned = !options.context;
      return await voice.ready;
    } catch (error) {
      if (voice) voice.close();
      else if (!options.context) context.close();
      if (error instanceof TinyfaceError) throw error;
      throw new TinyfaceError(-1, `the voice cannot be opened: ${error.message}`);
    }
  }

  /** An AudioContext at the sound device's rate, or at 48 kHz where a voice would not take that. options: its own. */
  static context(options = {}) {
    const context = new AudioContext(options);
    if (takes(context)) return context;
    context.close();
    return new AudioContext({ ...options, sampleRate: OWN_HZ });
  }

  constructor(context, wasm, artefact, { fps: rate = 60, smooth, strength = 1, smoothing = 0 } = {}) {
    super();
    const fps = rate == null ? undefined : rateOf(rate); // none: the artefact's own
    Object.assign(this, { context, strength, smoothing, fps, onframe: null, late: 0, count: 0 });
    this.refused = 0; // blocks of the input that were no sound, and heard as silence
    this.owned = this.closed = this.failed = false; // owned: the context is this voice's own
    this.microphones = new Set(); // opened here, and stopped here
    this.played = new WeakSet(); // nodes that are heard: a page may forget one that has ended, and so do we
    this.playing = 0; // how many of them
    this.node = new AudioWorkletNode(context, 'tinyface', {
      numberOfOutputs: 0, processorOptions: { wasm, model: artefact, fps, smooth },
    });
    this.ready = new Promise((resolve, reject) => {
      this.node.port.onmessage = ({ data }) => {
        if (this.closed) return; // it was on its way
        if (data.ready) resolve(this.begin(data.ready));
        else if (data.error) reject(this.fail(data));
        else this.take(data);
      };
    });
  }

  begin({ names, ranges, styles, info, latency, version }) {
    Object.assign(this, { names, ranges, styles, info, latency, version });
    this.places = new Map(names.map((name, i) => [name, i]));
    this.rest = Float32Array.from(ranges, ([, , neutral]) => neutral);
    const [numerator, denominator] = this.fps || info.fps;
    this.frameS = denominator / numerator;
    this.track = new Track(this.rest, { holdS: Math.max(0.1, 1.5 * this.frameS) });
    this.shown = this.rest.slice();
    this.raw = this.rest.slice();
    return this;
  }

  fail({ error: message, status = -1, failed = false }) {
    const error = new TinyfaceError(status, message);
    this.failed = this.failed || failed;
    this.dispatchEvent(Object.assign(new Event('error'), { error }));
    return error;
  }

  take({ values, index, time, refused = 0 }) {
    this.track.add(time, values);
    this.refused = refused;
    ++this.count;
    if (this.context.currentTime > time + this.delay) ++this.late;
    const frame = new Frame(this.names, this.places, values, time, index);
    if (this.onframe) this.onframe(frame);
    this.dispatchEvent(Object.assign(new Event('frame'), { frame }));
  }

  /** Seconds by which the picture follows the sound; give the sound as much, and they meet. */
  get delay() {
    // a picture lies between two frames, so the later one must have come
    return this.latency + Math.max((this.context.baseLatency || 0) + MARGIN_S, this.frameS + JITTER_S);
  }

  /** Listen to a node. heard: also play it, late by `delay`, so that lips and sound meet. Returns the voice. */
  connect(node, { heard = false } = {}) {
    node.connect(this.node);
    if (heard) {
      const delayTime = this.delay;
      this.echo = this.echo || new DelayNode(this.context, { maxDelayTime: Math.max(1, delayTime), delayTime });
      node.connect(this.echo).connect(this.context.destination);
      if (!this.played.has(node)) ++this.playing;
      this.played.add(node);
    }
    return this;
  }

  /** A microphone that is disconnected is the page's from then on: another voice may go on hearing it. */
  disconnect(node) {
    this.microphones.delete(node);
    if (this.played.delete(node)) --this.playing;
    for (const to of [this.node, this.echo]) {
      try {
        if (to) node.disconnect(to);
      } catch {
        // it was not connected
      }
    }
  }

  /** The microphone: asks the person, connects, and gives back the node. */
  async listen(constraints = { echoCancellation: true, noiseSuppression: false, autoGainControl: false }) {
    const { mediaDevices } = navigator;
    needed(mediaDevices && mediaDevices.getUserMedia, 'microphone');
    const stream = await mediaDevices.getUserMedia({ audio: constraints });
    try {
      if (this.closed) throw new TinyfaceError(-1, 'the voice was closed before the person answered');
      const node = this.context.createMediaStreamSource(stream);
      this.microphones.add(node);
      this.connect(node);
      return node;
    } catch (error) {
      hangUp(stream);
      throw error;
    }
  }

  /** The values to draw now, strength and smoothing applied; the array is the voice's own. */
  draw(now = this.context.currentTime) {
    // what is played reaches the ear later than the page's clock says
    const unheard = this.playing ? this.context.outputLatency || 0 : 0;
    this.track.at(now - this.delay - unheard, this.raw);
    const keep = this.smoothing;
    for (let i = 0; i < this.raw.length; ++i) {
      const [low, high, neutral] = this.ranges[i];
      const strong = neutral + (this.raw[i] - neutral) * this.strength;
      const value = Math.min(Math.max(strong, low), high);
      this.shown[i] = keep * this.shown[i] + (1 - keep) * value;
    }
    return this.shown;
  }

  /** From the next hop on, speak so: style({ anger: 0.7 }), style() for neutral. `styles` has the names; a reset keeps it. */
  style(strengths = {}) {
    this.node.port.postMessage({ style: { ...strengths } });
  }

  reset() {
    this.node.port.postMessage('reset');
    this.track.clear();
  }

  /** What listen and open made themselves ends too; no frame is handed out any more. */
  close() {
    if (this.closed) return;
    this.closed = true;
    this.node.port.postMessage('close');
    this.node.disconnect();
    if (this.echo) this.echo.disconnect();
    for (const node of this.microphones) {
      node.disconnect();
      hangUp(node.mediaStream);
    }
    this.microphones.clear();
    if (this.owned && this.context.state !== 'closed') this.context.close();
  }
}
