// A client of BackupKeyVault as docs/protocol.md describes it, on Meta's opaque-ke (npm
// @serenity-kit/opaque-p256). Numbers in brackets are sections of that page.
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import protobuf from "protobufjs";
import * as opaque from "@serenity-kit/opaque-p256";

const { subtle } = webcrypto;
const SUITE = "SUITE_OPAQUE_3DH_P256_SHA256";
const DEADLINE_MS = 20000;
const NOT_OPENED = Buffer.alloc(32); // the KE3 that reports a wrong password [6.2]
const MAX_PASSWORD_SIZE = 1024;
const STRETCHING_BOUNDS = { memory_kib: [65536, 1048576], passes: [3, 16], lanes: [1, 16] };
const STATUS = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
`).root;

const fromBase64 = (string) => Buffer.from(string, "base64url");
const toBase64 = (bytes) => Buffer.from(bytes).toString("base64url");
const lengthPrefixed = (string) => {
  const bytes = Buffer.from(string);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};

// A refusal of the vault with its ErrorInfo [8].
export class Refusal extends Error {
  constructor(reason, details) {
    super(reason);
    this.reason = reason;
    this.details = details;
  }
}

// The status' ErrorInfo as a Refusal, or the error as it is where the status has none.
function refusalOf(error) {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!bytes) return error;
  const { details } = STATUS.lookupType("Status").decode(bytes);
  const packed = details.find(({ typeUrl }) => typeUrl === "type.googleapis.com/google.rpc.ErrorInfo");
  if (!packed) return error;
  const { domain, reason, metadata } = STATUS.lookupType("ErrorInfo").decode(packed.value);
  return domain === "strongroom" ? new Refusal(reason, metadata) : error;
}

// The mappings of OpaqueString [3.3]. Its table of forbidden characters needs a library of its own.
function normalise(password) {
  const normalised = password.replace(/\p{Zs}/gu, " ").normalize("NFC");
  const size = Buffer.byteLength(normalised);
  if (size < 1 || size > MAX_PASSWORD_SIZE) throw new Error("a password has 1 to 1024 bytes");
  return normalised;
}

// opaque-ke's name for the stretching, which is refused before any work if out of bounds [3.4].
function keyStretching(stretching) {
  for (const [name, [least, most]] of Object.entries(STRETCHING_BOUNDS)) {
    if (!(stretching[name] >= least && stretching[name] <= most)) throw new Error(`stretching: ${name}`);
  }
  const { memory_kib: memory, passes: iterations, lanes: parallelism } = stretching;
  return { "argon2id-custom": { memory, iterations, parallelism } };
}

export class Client {
  #stub;
  #metadata = new grpc.Metadata();
  #account;
  #info;
  #identifiers;

  // `protos`: folder of the proto files; `ca`: file of trusted certificates; `account`: the `sub` of `token`.
  constructor({ protos, address, ca, token, account }) {
    const options = { includeDirs: [protos], enums: String, keepCase: true, longs: Number };
    const definition = loader.loadSync("strongroom/v1/vault.proto", options);
    const Stub = grpc.loadPackageDefinition(definition).strongroom.v1.BackupKeyVault;
    this.#stub = new Stub(address, grpc.credentials.createSsl(readFileSync(ca)));
    this.#metadata.set("authorization", `Bearer ${token}`);
    this.#account = account;
  }

  close() {
    this.#stub.close();
  }

  // GetVault [4]; `identity` is the pinned one, if any.
  async meet(identity) {
    this.#info = await this.#call("GetVault", {});
    this.#check(toBase64(this.#info.identity_public_key), identity);
    this.#identifiers = { client: this.#account, server: `strongroom/v1/${this.#info.vault_id}` };
    return { vault_id: this.#info.vault_id };
  }

  // Registration [5]; `backupKey` is 32 bytes.
  async protect(typed, backupKey) {
    const password = normalise(typed);
    const { clientRegistrationState, registrationRequest } = opaque.client.startRegistration({ password });
    const started = await this.#call("StartRegistration", { registration_request: fromBase64(registrationRequest) });
    const finished = opaque.client.finishRegistration({
      password,
      clientRegistrationState,
      registrationResponse: toBase64(started.registration_response),
      identifiers: this.#identifiers,
      keyStretching: keyStretching(started.stretching),
    });
    this.#check(finished.serverStaticPublicKey);
    const { key_id, attempts_left } = await this.#call("FinishRegistration", {
      registration_state: started.registration_state,
      registration_record: fromBase64(finished.registrationRecord),
      sealed_backup_key: await this.#seal(backupKey, finished.exportKey, started.key_id),
    });
    if (!key_id.equals(started.key_id)) throw new Error("the vault registered another key");
    return { attempts_left };
  }

  // Recovery [6]; the backup key, 32 bytes.
  async recover(typed) {
    const password = normalise(typed);
    const { clientLoginState, startLoginRequest } = opaque.client.startLogin({ password });
    const started = await this.#call("StartRecovery", { ke1: fromBase64(startLoginRequest) });
    const { recovery_state, key_id } = started;
    const finished = opaque.client.finishLogin({
      password,
      clientLoginState,
      loginResponse: toBase64(started.ke2),
      identifiers: this.#identifiers,
      keyStretching: keyStretching(started.stretching),
    });
    if (!finished) {
      await this.#call("FinishRecovery", { recovery_state, ke3: NOT_OPENED });
      throw new Error("the vault accepted a proof that proves nothing");
    }
    this.#check(finished.serverStaticPublicKey);
    const ke3 = fromBase64(finished.finishLoginRequest);
    const { sealed_backup_key } = await this.#call("FinishRecovery", { recovery_state, ke3 });
    return this.#open(sealed_backup_key, finished.exportKey, key_id);
  }

  // Compares an identity, in base64url, with the vault's.
  #check(actual, expected = toBase64(this.#info.identity_public_key)) {
    if (actual !== expected) throw new Error("this is another vault");
  }

  async #seal(backupKey, exportKey, keyId) {
    const nonce = webcrypto.getRandomValues(Buffer.alloc(12));
    const sealed = await subtle.encrypt(this.#parameters(nonce, keyId), await this.#sealingKey(exportKey), backupKey);
    return Buffer.concat([nonce, Buffer.from(sealed)]);
  }

  async #open(sealed, exportKey, keyId) {
    const parameters = this.#parameters(sealed.subarray(0, 12), keyId);
    return Buffer.from(await subtle.decrypt(parameters, await this.#sealingKey(exportKey), sealed.subarray(12)));
  }

  // AES-256-GCM with the vault, the account and the key as associated data [3.5].
  #parameters(iv, keyId) {
    const label = Buffer.from("strongroom/v1 sealed backup key");
    const parts = [label, lengthPrefixed(this.#info.vault_id), lengthPrefixed(this.#account), keyId];
    return { name: "AES-GCM", iv, additionalData: Buffer.concat(parts) };
  }

  // HKDF-Expand alone, which WebCrypto does not offer; for 32 bytes it is one HMAC (RFC 5869 section 2.3).
  async #sealingKey(exportKey) {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const mac = await subtle.importKey("raw", fromBase64(exportKey), algorithm, false, ["sign"]);
    const key = await subtle.sign("HMAC", mac, Buffer.from("strongroom/v1 backup key\x01"));
    return subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
  }

  #call(method, fields) {
    const deadline = new Date(Date.now() + DEADLINE_MS);
    return new Promise((resolve, reject) => {
      this.#stub[method]({ suite: SUITE, ...fields }, this.#metadata, { deadline }, (error, answer) => {
        if (error) reject(refusalOf(error));
        else if (answer.suite !== SUITE) reject(new Error(`suite ${answer.suite}`));
        else resolve(answer);
      });
    });
  }
}
