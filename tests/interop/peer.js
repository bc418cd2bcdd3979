// The other side of the interoperability tests: Meta's opaque-ke (npm @serenity-kit/opaque-p256) and
// gRPC for node. Reads one JSON request a line, writes one JSON answer a line.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import * as opaque from "@serenity-kit/opaque-p256";

const SUITE = "SUITE_OPAQUE_3DH_P256_SHA256";
const text = (string) => new TextEncoder().encode(string);
const fromBase64 = (string) => Buffer.from(string, "base64url");
const toBase64 = (bytes) => Buffer.from(bytes).toString("base64url");
const lengthPrefixed = (bytes) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);

// A client of BackupKeyVault as docs/protocol.md describes it.
class Vault {
  constructor({ proto, include, address, ca, token, account }) {
    const definition = loader.loadSync(proto, { includeDirs: [include], enums: String, keepCase: true, longs: Number });
    const service = grpc.loadPackageDefinition(definition).strongroom.v1.BackupKeyVault;
    this.stub = new service(address, grpc.credentials.createSsl(readFileSync(ca)));
    this.metadata = new grpc.Metadata();
    this.metadata.set("authorization", `Bearer ${token}`);
    this.account = account;
  }

  call(method, fields) {
    return new Promise((resolve, reject) => {
      const deadline = new Date(Date.now() + 20000);
      this.stub[method]({ suite: SUITE, ...fields }, this.metadata, { deadline }, (error, answer) =>
        error ? reject(error) : resolve(answer));
    });
  }

  async meet() {
    this.info = await this.call("GetVault", {});
    this.identifiers = { client: this.account, server: `strongroom/v1/${this.info.vault_id}` };
  }

  stretching({ memory_kib, passes, lanes }) {
    return { "argon2id-custom": { memory: memory_kib, iterations: passes, parallelism: lanes } };
  }

  // AES-256-GCM under HKDF-Expand(export key, label, 32), which is one HMAC block.
  async cipher(exportKey, keyId) {
    const mac = await webcrypto.subtle.importKey("raw", fromBase64(exportKey), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const key = await webcrypto.subtle.sign("HMAC", mac, Buffer.concat([text("strongroom/v1 backup key"), Buffer.from([1])]));
    const additionalData = Buffer.concat([
      text("strongroom/v1 sealed backup key"),
      lengthPrefixed(text(this.info.vault_id)),
      lengthPrefixed(text(this.account)),
      keyId,
    ]);
    return {
      key: await webcrypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]),
      parameters: (iv) => ({ name: "AES-GCM", iv, additionalData }),
    };
  }

  async protect(password, backupKey) {
    const { clientRegistrationState, registrationRequest } = opaque.client.startRegistration({ password });
    const started = await this.call("StartRegistration", { registration_request: fromBase64(registrationRequest) });
    const finished = opaque.client.finishRegistration({
      password,
      clientRegistrationState,
      registrationResponse: toBase64(started.registration_response),
      identifiers: this.identifiers,
      keyStretching: this.stretching(started.stretching),
    });
    if (finished.serverStaticPublicKey !== toBase64(this.info.identity_public_key)) throw new Error("another vault");
    const { key, parameters } = await this.cipher(finished.exportKey, started.key_id);
    const nonce = webcrypto.getRandomValues(new Uint8Array(12));
    const ciphertext = await webcrypto.subtle.encrypt(parameters(nonce), key, Buffer.from(backupKey, "hex"));
    const registered = await this.call("FinishRegistration", {
      registration_state: started.registration_state,
      registration_record: fromBase64(finished.registrationRecord),
      sealed_backup_key: Buffer.concat([nonce, Buffer.from(ciphertext)]),
    });
    return { attempts_left: registered.attempts_left };
  }

  async recover(password) {
    const { clientLoginState, startLoginRequest } = opaque.client.startLogin({ password });
    const started = await this.call("StartRecovery", { ke1: fromBase64(startLoginRequest) });
    const finished = opaque.client.finishLogin({
      password,
      clientLoginState,
      loginResponse: toBase64(started.ke2),
      identifiers: this.identifiers,
      keyStretching: this.stretching(started.stretching),
    });
    const ke3 = finished ? fromBase64(finished.finishLoginRequest) : Buffer.alloc(32);
    const released = await this.call("FinishRecovery", { recovery_state: started.recovery_state, ke3 });
    const { key, parameters } = await this.cipher(finished.exportKey, started.key_id);
    const sealed = released.sealed_backup_key;
    const backupKey = await webcrypto.subtle.decrypt(parameters(sealed.subarray(0, 12)), key, sealed.subarray(12));
    return { backup_key: Buffer.from(backupKey).toString("hex") };
  }
}

let vault;
const calls = {
  connect: async (request) => {
    vault = new Vault(request);
    await vault.meet();
    return { vault_id: vault.info.vault_id };
  },
  protect: ({ password, backup_key }) => vault.protect(password, backup_key),
  recover: ({ password }) => vault.recover(password),
  createSetup: () => opaque.server.createSetup(),
  getPublicKey: ({ setup }) => opaque.server.getPublicKey(setup),
  createRegistrationResponse: (request) => opaque.server.createRegistrationResponse(request),
  startLogin: (request) => opaque.server.startLogin(request),
  finishLogin: (request) => opaque.server.finishLogin(request),
};

await opaque.ready;
for await (const line of createInterface({ input: process.stdin })) {
  const { call, ...request } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await calls[call](request)) ?? null };
  } catch (error) {
    answer = { error: error.details ?? error.message ?? String(error), code: error.code ?? null };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
