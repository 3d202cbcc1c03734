import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { GRPC_CODE, GrpcStatus } from './grpc-messages.js';
import type { GrpcCall, GrpcMethods } from './grpc-server.js';
import { firstString, requestOf } from './services.js';

/** An ssh agent that a build may use, by the id of its mount. */
export interface SshAgent {
  readonly id: string;
  /** path of its unix socket */
  readonly socket: string;
}

/** `moby.sshforward.v1.SSH`: connections to agents of this machine. None but those that were named can be reached. */
export function sshMethods(agents: readonly SshAgent[]): GrpcMethods {
  if (agents.length === 0) return {};
  const agentOf = (id: string): SshAgent => {
    const agent = agents.find((one) => one.id === (id === '' ? 'default' : id));
    if (agent === undefined)
      throw new GrpcStatus(GRPC_CODE.notFound, `ssh agent ${id} was not given: --ssh ${id}`);
    return agent;
  };
  return {
    '/moby.sshforward.v1.SSH/CheckAgent': async (call) => {
      agentOf(firstString(await requestOf(call)));
      await call.send(new Uint8Array());
    },
    '/moby.sshforward.v1.SSH/ForwardAgent': (call) =>
      forward(call, agentOf(call.metadata('buildkit.ssh.id')[0] ?? '').socket),
  };
}

/** Either end closes both: the agent's connection lasts no longer than the call. */
async function forward(call: GrpcCall, path: string): Promise<void> {
  const socket = connect(path);
  const onEnd = (): void => void socket.destroy();
  call.ended.addEventListener('abort', onEnd, { once: true });
  // Not waited for: it may hang on an engine that says no more, while the agent has gone.
  pipeline(call.messages, decoded, socket).catch(() => socket.destroy());
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) await call.send(encoded(chunk));
  } finally {
    socket.destroy();
    call.ended.removeEventListener('abort', onEnd);
  }
}

/** BytesMessage: data = 1 */
async function* decoded(messages: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  for await (const message of messages) {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1) yield reader.bytes();
      else reader.skip(wireType);
    }
  }
}

function encoded(data: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(data).finish();
}
