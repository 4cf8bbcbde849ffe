// The audio thread's side: every block of the input goes through the library, frames go to the page as they fall due.
import { Core, STATUS } from './core.js';

class TinyfaceProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    const { wasm, model, fps, smooth } = processorOptions;
    this.silence = new Float32Array(128);
    this.mono = new Float32Array(128);
    this.started = -1;
    this.refused = 0; // blocks
    this.refusing = false; // the last one was
    this.port.onmessage = ({ data }) => {
      if (data === 'close') this.core = null;
      if (data === 'reset' && this.core) {
        this.core.reset();
        this.started = -1;
      }
      if (data.style && this.core) this.dress(data.style);
    };
    try {
      this.core = new Core(wasm, model, { rateHz: sampleRate, fps, smooth });
      const { names, ranges, styles, info, latency, version } = this.core;
      this.port.postMessage({ ready: { names, ranges, styles, info, latency, version } });
    } catch (error) {
      this.end(error);
    }
    this.send = (values, index, sample) => {
      const copy = values.slice();
      const time = this.started + sample / 16000;
      this.port.postMessage({ values: copy, index, time, refused: this.refused }, [copy.buffer]);
    };
  }

  tell(error, more) {
    const { message = String(error), status } = error;
    this.port.postMessage({ error: message, status, ...more });
  }

  end(error) {
    this.core = null;
    this.tell(error, { failed: true });
  }

  // A style that is none is told and changes nothing: the voice plays on.
  dress(style) {
    try {
      this.core.style(style);
    } catch (error) {
      this.tell(error);
    }
  }

  process([input]) {
    if (!this.core) return false;
    if (this.started < 0) this.started = currentFrame / sampleRate;
    // a machine too busy for a block leaves it out: what is heard next belongs to a later moment
    else this.started += Math.max(0, currentFrame - this.next) / sampleRate;
    this.next = currentFrame + 128;
    try {
      this.hear(this.heard(input));
    } catch (error) {
      this.end(error);
    }
    return true;
  }

  // A block that is no sound (one NaN of a filter that ran away is enough) is silence, so that what follows keeps its
  // time: counted, and told once until there is sound again.
  hear(block) {
    try {
      this.core.push(block, this.send);
      this.refusing = false;
    } catch (error) {
      if (error.status !== STATUS.BAD_AUDIO) throw error;
      ++this.refused;
      const told = `${error.message}; such blocks are taken as silence, and counted as refused`;
      if (!this.refusing) this.tell(error, { error: told });
      this.refusing = true;
      this.core.push(this.silence.subarray(this.core.pushed), this.send);
    }
  }

  // One channel; silence where nothing is connected, so that the face comes to rest.
  heard(input) {
    if (!input || !input.length) return this.silence;
    if (input.length === 1) return input[0];
    this.mono.fill(0);
    for (const channel of input) for (let i = 0; i < 128; ++i) this.mono[i] += channel[i] / input.length;
    return this.mono;
  }
}

registerProcessor('tinyface', TinyfaceProcessor);
