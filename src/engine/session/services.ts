import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { FindLogin } from '../login.js';
import { GRPC_CODE, GrpcStatus } from './grpc-messages.js';
import type { GrpcCall, GrpcMethods } from './grpc-server.js';

const SERVING = new BinaryWriter().tag(1, WireType.Varint).int32(1).finish();

/** `grpc.health.v1.Health`: an engine that gets no answer ends the session after a few seconds. */
export const healthMethods: GrpcMethods = {
  '/grpc.health.v1.Health/Check': async (call) => {
    await requestOf(call);
    await call.send(SERVING);
  },
  '/grpc.health.v1.Health/Watch': async (call) => {
    await requestOf(call);
    await call.send(SERVING);
    if (call.ended.aborted) return;
    await new Promise<void>((resolve) => {
      call.ended.addEventListener('abort', () => resolve(), { once: true });
    });
  },
};

/** `moby.filesync.v1.Auth`: each registry is asked with its own credentials, and no other's. */
export function authMethods(findLogin: FindLogin): GrpcMethods {
  return {
    '/moby.filesync.v1.Auth/Credentials': async (call) => {
      const host = firstString(await requestOf(call));
      const login = await findLogin(host === 'registry-1.docker.io' ? 'docker.io' : host);
      const writer = new BinaryWriter();
      if (login?.kind === 'password') {
        writer.tag(1, WireType.LengthDelimited).string(login.username);
        writer.tag(2, WireType.LengthDelimited).string(login.password);
      } else if (login?.kind === 'identity-token') {
        // Without a name it is taken for a refresh token.
        writer.tag(2, WireType.LengthDelimited).string(login.token);
      }
      await call.send(writer.finish());
    },
  };
}

/** `moby.buildkit.secrets.v1.Secrets`. */
export function secretMethods(secrets: ReadonlyMap<string, Uint8Array>): GrpcMethods {
  return {
    '/moby.buildkit.secrets.v1.Secrets/GetSecret': async (call) => {
      const id = firstString(await requestOf(call));
      const secret = secrets.get(id);
      if (secret === undefined) throw new GrpcStatus(GRPC_CODE.notFound, `secret ${id} not found`);
      await call.send(new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(secret).finish());
    },
  };
}

export async function requestOf(call: GrpcCall): Promise<Buffer> {
  for await (const message of call.messages) return message;
  throw new GrpcStatus(GRPC_CODE.internal, 'the call has no request');
}

/** The first field of a message, a string: a host, a secret's id. */
export function firstString(message: Uint8Array): string {
  const reader = new BinaryReader(message);
  let found = '';
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) found = reader.string();
    else reader.skip(wireType);
  }
  return found;
}
