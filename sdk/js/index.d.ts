export interface Info {
  channels: number; futureSamples: number; fps: [number, number]; parameters: number; bytes: number;
  student: string; precision: string; sha256: string; kind: 'stream' | 'window';
}
type Bytes = ArrayBuffer | ArrayBufferView;
type FrameHandler = (values: Float32Array, index: number, sample: number) => void;

export class TinyfaceError extends Error { status: number; }

export interface CoreOptions { rateHz?: number; fps?: [number, number]; smooth?: boolean; }
export class Core {
  constructor(wasm: Bytes | WebAssembly.Module, model: Bytes, options?: CoreOptions);
  readonly info: Info; readonly names: string[]; readonly ranges: [number, number, number][];
  readonly latency: number; readonly version: string; readonly styles: string[];
  style(strengths?: Record<string, number>): void;
  push(samples: Float32Array, onframe: FrameHandler): void;
  finish(onframe: FrameHandler): void;
  reset(): void; close(): void;
}

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
  context?: AudioContext; wasm?: string | URL | Bytes; worklet?: string | URL; fps?: [number, number];
  smooth?: boolean; strength?: number; smoothing?: number;
}
export class Tinyface extends EventTarget {
  static open(model: string | URL | Bytes, options?: OpenOptions): Promise<Tinyface>;
  readonly context: AudioContext; readonly node: AudioWorkletNode; readonly info: Info; readonly names: string[];
  readonly ranges: [number, number, number][]; readonly latency: number; readonly delay: number;
  readonly version: string; readonly styles: string[]; strength: number; smoothing: number; late: number; count: number;
  onframe: ((frame: Frame) => void) | null;
  connect(node: AudioNode, options?: { heard?: boolean }): this;
  disconnect(node: AudioNode): void;
  listen(constraints?: MediaTrackConstraints): Promise<MediaStreamAudioSourceNode>;
  style(strengths?: Record<string, number>): void;
  draw(now?: number): Float32Array; reset(): void; close(): void;
}

export const VISEMES: string[];
export function visemes(frame: NamedValues): Record<string, number>;
export function expressions(frame: NamedValues): Record<string, number>;
export function drive(mesh: { morphTargetDictionary: Record<string, number>; morphTargetInfluences: number[] },
  frame: NamedValues): number;
export function forTalkingHead(head: unknown): (frame: Frame) => void;
