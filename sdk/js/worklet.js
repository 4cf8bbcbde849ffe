// The audio thread's side: every block of the input goes through the library, frames go to the page as they fall due.
import { Core } from './core.js';

class TinyfaceProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    const { wasm, model, fps, smooth } = processorOptions;
    this.silence = new Float32Array(128);
    this.mono = new Float32Array(128);
    this.started = -1;
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
      this.core = null;
      this.port.postMessage({ error: String(error.message || error) });
    }
    this.send = (values, index, sample) => {
      const copy = values.slice();
      this.port.postMessage({ values: copy, index, time: this.started + sample / 16000 }, [copy.buffer]);
    };
  }

  // A style that is none is told and changes nothing: the voice plays on.
  dress(style) {
    try {
      this.core.style(style);
    } catch (error) {
      this.port.postMessage({ error: String(error.message || error) });
    }
  }

  process([input]) {
    if (!this.core) return false;
    if (this.started < 0) this.started = currentFrame / sampleRate;
    // a machine too busy for a block leaves it out: what is heard next belongs to a later moment
    else this.started += Math.max(0, currentFrame - this.next) / sampleRate;
    this.next = currentFrame + 128;
    try {
      this.core.push(this.heard(input), this.send);
    } catch (error) {
      this.port.postMessage({ error: String(error.message || error) });
      this.core = null;
    }
    return true;
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
