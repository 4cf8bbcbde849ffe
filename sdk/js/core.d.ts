export interface Info {
  channels: number; futureSamples: number; fps: [number, number]; parameters: number; bytes: number;
  student: string; precision: string; sha256: string; kind: 'stream' | 'window';
}
export type Bytes = ArrayBuffer | ArrayBufferView;
export type FrameHandler = (values: Float32Array, index: number, sample: number) => void;

export class TinyfaceError extends Error { status: number; }

/** Of 29.97: [30000, 1001]. Throws TinyfaceError for what is no frame rate. */
export function rateOf(fps: number | [number, number]): [number, number];

export interface CoreOptions { rateHz?: number; fps?: number | [number, number]; smooth?: boolean; }
export class Core {
  constructor(wasm: Bytes | WebAssembly.Module, model: Bytes, options?: CoreOptions);
  readonly info: Info; readonly names: string[]; readonly ranges: [number, number, number][];
  readonly latency: number; readonly version: string; readonly styles: string[];
  style(strengths?: Record<string, number>): void;
  push(samples: Float32Array, onframe: FrameHandler): void; readonly pushed: number;
  finish(onframe: FrameHandler): void;
  reset(): void; close(): void;
}
