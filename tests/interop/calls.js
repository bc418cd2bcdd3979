// The calls of BackupKeyVault: access token, deadlines, repetition, refusals, and the sizes of answers. Numbers in
// brackets are clauses of docs/protocol.md.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const SUITE = "SUITE_OPAQUE_3DH_P256_SHA256";
const TRY_MS = 10000; // for one try of a call [2.7]
const CHANNEL = { "grpc.max_receive_message_length": 16384, "grpc.enable_retries": 0 }; // [2.3, 8.4]
const PATIENCE_MS = 30000; // for a call with its repetitions, unless told otherwise
const FIRST_DELAY_MS = 200;
const LEAST_TRY_MS = 100; // in less no answer can come, and the error would be the deadline's
const SIZES = {
  identity_public_key: [33, 33],
  registration_response: [66, 66],
  registration_state: [1, 1024],
  ke2: [259, 259],
  recovery_state: [1, 1024],
  key_id: [16, 16],
  sealed_backup_key: [60, 60],
};
const ATTEMPTS = [0, 1000];
const { UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED } = grpc.status;
const STATUS = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
`).root;

// A refusal of the vault: ErrorInfo's reason and metadata, RetryInfo's delay, the status' code [8.1].
export class Refusal extends Error {
  constructor(reason, details, retryMs = 0, code = undefined) {
    super(reason);
    Object.assign(this, { reason, details, retryMs, code });
  }
}

// The status' details as a Refusal, or the error as it is where the status has none that can be read.
function refusalOf(error) {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  try {
    const { details } = STATUS.lookupType("Status").decode(bytes ?? Buffer.alloc(0));
    const info = unpacked("ErrorInfo", details);
    if (info?.domain !== "strongroom") return error;
    const { seconds = 0, nanos = 0 } = unpacked("RetryInfo", details)?.retryDelay ?? {};
    return new Refusal(info.reason, info.metadata, Number(seconds) * 1000 + nanos / 1e6, error.code);
  } catch {
    return error; // garbage from whoever answered
  }
}

function unpacked(name, details) {
  const packed = details.find(({ typeUrl }) => typeUrl === `type.googleapis.com/google.rpc.${name}`);
  return packed && STATUS.lookupType(name).decode(packed.value);
}

// Whether the same bytes may be sent again by themselves [8.4].
const mayRepeat = ({ code, reason }) =>
  [UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED].includes(code) && reason !== "ROLLBACK_DETECTED";

// The vault's answer is not what the protocol says.
export class ProtocolError extends Error {}

// Refuses what the vault sends unless it is within its bounds.
export function within(value, [least, most], name) {
  if (!(value >= least && value <= most)) throw new ProtocolError(`the vault's ${name} is out of bounds`);
}

// What opaque-ke cannot decode was not made as the protocol says; but too little memory is nobody's lie.
export function decoding(compute) {
  try {
    return compute();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    throw new ProtocolError("the vault's message of OPAQUE is malformed");
  }
}

// An answer whose sizes and counts are those of 2.8; the message of a oneof is looked at too.
function checked(answer) {
  if (answer.suite !== SUITE) throw new ProtocolError("the vault answers in another suite");
  for (const [name, value] of Object.entries({ ...answer, ...answer.active })) {
    if (name in SIZES) within(value.length, SIZES[name], name);
    if (typeof value === "number") within(value, ATTEMPTS, name);
  }
  return answer;
}

// One vault, for the holder of one access token.
export class Calls {
  #stub;
  #metadata = new grpc.Metadata();
  #patience;

  // `protos`: folder of the proto files; `ca`: file of trusted certificates.
  constructor({ protos, address, ca, token, patience = PATIENCE_MS }) {
    const options = { includeDirs: [protos], enums: String, keepCase: true, longs: Number, defaults: true };
    const definition = loader.loadSync("strongroom/v1/vault.proto", options);
    const Stub = grpc.loadPackageDefinition(definition).strongroom.v1.BackupKeyVault;
    this.#stub = new Stub(address, grpc.credentials.createSsl(readFileSync(ca)), CHANNEL);
    this.#metadata.set("authorization", `Bearer ${token}`);
    this.#patience = patience;
  }

  close() {
    this.#stub.close();
  }

  // Sends the same bytes until they are answered, with growing random delays and an end [8.4].
  async call(method, fields) {
    const request = { suite: SUITE, ...fields };
    const end = Date.now() + this.#patience;
    for (let delay = FIRST_DELAY_MS; ; delay *= 2) {
      try {
        return checked(await this.#once(method, request, Math.min(end, Date.now() + TRY_MS)));
      } catch (error) {
        const pause = Math.max(error.retryMs ?? 0, delay * (0.5 + Math.random() / 2));
        if (!mayRepeat(error) || Date.now() + pause + LEAST_TRY_MS >= end) throw error;
        await sleep(pause);
      }
    }
  }

  #once(method, request, deadline) {
    const metadata = method === "GetVault" ? new grpc.Metadata() : this.#metadata; // [2.4]
    return new Promise((resolve, reject) => {
      const done = (error, answer) => (error ? reject(refusalOf(error)) : resolve(answer));
      this.#stub[method](request, metadata, { deadline }, done);
    });
  }
}
