// What to draw at an instant: frames come on their own clock, pictures on the screen's.

const KEPT_S = 1.5; // a picture is far less behind the newest frame

/** Frames of one voice in order of time, asked for at any instant. */
export class Track {
  /** rest: values of a face that says nothing. easeS: how fast it comes there when frames stay away for holdS. */
  constructor(rest, { easeS = 0.15, holdS = 0.1 } = {}) {
    this.rest = Float32Array.from(rest);
    this.easeS = easeS;
    this.holdS = holdS;
    this.times = [];
    this.frames = [];
  }

  add(time, values) {
    while (this.times.length && this.times[this.times.length - 1] >= time) {
      this.times.pop();
      this.frames.pop();
    }
    this.times.push(time);
    this.frames.push(values);
    // one that is older stays, as the line to the next begins in it
    while (this.times[1] < time - KEPT_S) {
      this.times.shift();
      this.frames.shift();
    }
  }

  clear() {
    this.times.length = this.frames.length = 0;
  }

  get newest() {
    return this.times.length ? this.times[this.times.length - 1] : -Infinity;
  }

  /** Values at `time` into `out`: on the line between two frames, the newest held, then at rest. */
  at(time, out) {
    const { times, frames } = this;
    let next = times.length;
    while (next > 0 && times[next - 1] > time) --next;
    if (!next) out.set(frames.length && times[0] - time < this.holdS ? frames[0] : this.rest);
    else if (next < times.length) this.mix(frames[next - 1], frames[next],
      (time - times[next - 1]) / (times[next] - times[next - 1]), out);
    else {
      const gone = Math.min(Math.max((time - this.newest - this.holdS) / this.easeS, 0), 1);
      this.mix(frames[next - 1], this.rest, gone * gone * (3 - 2 * gone), out);
    }
    return out;
  }

  mix(from, to, share, out) {
    for (let i = 0; i < out.length; ++i) out[i] = from[i] + (to[i] - from[i]) * share;
  }
}
