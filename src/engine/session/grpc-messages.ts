import type { Http2Stream } from 'node:http2';

/*
 * What both sides of gRPC over HTTP/2 share (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): codes,
 * and how messages lie in a stream.
 */

/** The codes that are told apart here (google.rpc.Code). */
export const GRPC_CODE = { notFound: 5, unimplemented: 12, internal: 13, unavailable: 14 } as const;

/** The end of a call that is no success: thrown by a method to be answered with it, and to who called one. */
export class GrpcStatus extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'GrpcStatus';
    this.code = code;
  }
}

const FRAME_HEADER = 5;
const MESSAGE_LIMIT = 16 * 1024 * 1024;

/** Each message has a flag (0: not compressed) and its length before it. */
export async function* messagesIn(stream: Http2Stream): AsyncGenerator<Buffer> {
  let buffered: Buffer = Buffer.alloc(0);
  // Who has read enough still answers: the stream must outlive its reader.
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
    while (buffered.length >= FRAME_HEADER) {
      const length = buffered.readUInt32BE(1);
      if (buffered[0] !== 0)
        throw new GrpcStatus(GRPC_CODE.unimplemented, 'compressed messages are not read');
      if (length > MESSAGE_LIMIT) throw new GrpcStatus(GRPC_CODE.internal, `a message of ${length} bytes`);
      if (buffered.length < FRAME_HEADER + length) break;
      yield buffered.subarray(FRAME_HEADER, FRAME_HEADER + length);
      buffered = buffered.subarray(FRAME_HEADER + length);
    }
  }
}

/** Messages as they lie in a stream, one behind the other. */
export function framed(...messages: readonly Uint8Array[]): Buffer {
  const length = messages.reduce((sum, message) => sum + FRAME_HEADER + message.length, 0);
  const frames = Buffer.allocUnsafe(length);
  let at = 0;
  for (const message of messages) {
    frames[at] = 0;
    frames.writeUInt32BE(message.length, at + 1);
    frames.set(message, at + FRAME_HEADER);
    at += FRAME_HEADER + message.length;
  }
  return frames;
}
