import type { Bytes, Info } from './core.js';

export { Core, TinyfaceError } from './core.js';
export type { CoreOptions, Info } from './core.js';

export class Track {
  constructor(rest: ArrayLike<number>, options?: { easeS?: number; holdS?: number });
  add(time: number, values: Float32Array): void;
  at(time: number, out: Float32Array): Float32Array;
  clear(): void; readonly newest: number;
}

export interface NamedValues { names: string[]; get(name: string): number | undefined; }
export class Frame implements NamedValues {
  names: string[]; values: Float32Array; time: number; index: number;
  get(name: string): number | undefined; toObject(): Record<string, number>;
}

export interface OpenOptions {
  context?: AudioContext; wasm?: string | URL | Bytes; worklet?: string | URL; fps?: number | [number, number];
  smooth?: boolean; strength?: number; smoothing?: number;
}
export class Tinyface extends EventTarget {
  static open(model: string | URL | Bytes, options?: OpenOptions): Promise<Tinyface>;
  /** At the sound device's rate, or at 48 kHz where a voice would not take that. */
  static context(options?: AudioContextOptions): AudioContext;
  readonly context: AudioContext; readonly node: AudioWorkletNode; readonly info: Info; readonly names: string[];
  readonly ranges: [number, number, number][]; readonly latency: number; readonly delay: number;
  readonly version: string; readonly styles: string[]; strength: number; smoothing: number; late: number; count: number;
  /** Blocks that were no sound (NaN, infinity, beyond 100), heard as silence: `error` tells of the first in a row. */
  readonly refused: number;
  /** It ended by an error: open another. */
  readonly failed: boolean;
  onframe: ((frame: Frame) => void) | null;
  connect(node: AudioNode, options?: { heard?: boolean }): this;
  /** What `listen` opened is the page's own from then on: it goes on after `close`. */
  disconnect(node: AudioNode): void;
  listen(constraints?: MediaTrackConstraints): Promise<MediaStreamAudioSourceNode>;
  style(strengths?: Record<string, number>): void;
  draw(now?: number): Float32Array; reset(): void;
  /** Stops the microphones that `listen` opened and closes a context that `open` made; no frame is handed out any more. */
  close(): void;
}

export const VISEMES: string[];
export function visemes(frame: NamedValues): Record<string, number>;
export function expressions(frame: NamedValues): Record<string, number>;
export function drive(mesh: { morphTargetDictionary: Record<string, number>; morphTargetInfluences: number[] },
  frame: NamedValues): number;
export function forTalkingHead(head: unknown): (frame: Frame) => void;
