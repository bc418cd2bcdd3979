// A client of BackupKeyVault as docs/protocol.md describes it, on Meta's opaque-ke (npm
// @serenity-kit/opaque-p256). Numbers in brackets are clauses of that page.
import { ECDH, timingSafeEqual } from "node:crypto";
import * as opaque from "@serenity-kit/opaque-p256";
import { Calls, decoding, ProtocolError, Refusal } from "./calls.js";
import { keyStretching, prepared, preparedNew } from "./passwords.js";
import { open, seal } from "./sealed_key.js";

const NOT_OPENED = Buffer.alloc(32); // the KE3 that reports a wrong password [6.6]
const DECIDED = ["WRONG_PASSWORD", "KEY_DESTROYED", "KEY_REPLACED", "NO_KEY"]; // [6.8]
const fromBase64 = (string) => Buffer.from(string, "base64url");
const toBase64 = (bytes) => Buffer.from(bytes).toString("base64url");

// The key was registered but did not come back; `outcome` is "refuted", "replaced" or "cut off" [5.6].
export class RehearsalFailed extends Error {
  constructor(cause) {
    const isRefuted = cause instanceof ProtocolError || DECIDED.includes(cause.reason);
    const outcome = cause.reason === "KEY_REPLACED" ? "replaced" : isRefuted ? "refuted" : "cut off";
    super(`rehearsal ${outcome}`, { cause });
    this.outcome = outcome;
  }
}

export class Client {
  #calls;
  #account;
  #subject;
  #info;
  #identifiers;
  #attempt; // what repeats an attempt that is not decided, in memory alone [6.8]
  #turn = Promise.resolve(); // the recovery before
  #affordable = new Set(); // stretchings that this device has done

  // The vault's identity and id, told or proven; to be kept with the vault's address [4.3, 4.4].
  pinned;

  // `settings` are those of Calls, with an access token that is a JWT; `account`: its `sub`.
  constructor({ account, ...settings }) {
    this.#calls = new Calls(settings);
    this.#account = account;
    this.#subject = JSON.parse(fromBase64(settings.token.split(".")[1])).sub;
  }

  close() {
    this.#calls.close();
  }

  // GetVault [4], compared with what was kept of `pinned`; the identity alone may be known.
  async meet(identity = this.pinned?.identity, vaultId = this.pinned?.vault_id) {
    const info = await this.#calls.call("GetVault", {});
    if (!/^[a-z0-9.-]{1,64}$/.test(info.vault_id)) throw new ProtocolError("the vault's id is none");
    decoding(() => ECDH.convertKey(info.identity_public_key, "prime256v1")); // is it a point? [3.7]
    this.#info = info;
    if (identity) {
      this.#compare(identity);
      this.pinned = { identity, vault_id: vaultId };
    }
    if (vaultId && vaultId !== info.vault_id) throw new ProtocolError("this is another vault");
    this.#identifiers = { client: this.#account, server: `strongroom/v1/${info.vault_id}` };
    return { vault_id: info.vault_id };
  }

  // GetKey [7.1]: one of `active`, `destroyed` and `absent`.
  async status() {
    return this.#calls.call("GetKey", {});
  }

  // Registration [5] of 32 bytes, and its rehearsal. The caller has kept them where a later run finds them;
  // `keep` adds the key id, and is awaited before the vault's key is replaced [5.8].
  async protect(typed, backupKey, keep = async (_keyId) => {}) {
    if (this.#subject !== this.#account) throw new Error("the access token is another account's"); // [2.5]
    const password = preparedNew(typed);
    const { clientRegistrationState, registrationRequest } = opaque.client.startRegistration({ password });
    const request = { registration_request: fromBase64(registrationRequest) };
    const started = await this.#calls.call("StartRegistration", request);
    const { key_id, registration_state, registration_response, stretching } = started;
    const finished = this.#register(password, clientRegistrationState, registration_response, stretching);
    this.#compare(finished.serverStaticPublicKey);
    const sealed_backup_key = await seal(fromBase64(finished.exportKey), backupKey, this.#binding(key_id));
    await keep(key_id);
    const registration_record = fromBase64(finished.registrationRecord);
    const record = { registration_state, registration_record, sealed_backup_key };
    const registered = await this.#calls.call("FinishRegistration", record);
    if (!registered.key_id.equals(key_id)) throw new ProtocolError("the vault registered another key");
    await this.rehearse(password, backupKey, key_id);
    return { attempts_left: registered.attempt_limit }; // the rehearsal gave all of them back
  }

  // Recovers the key that was registered as `keyId`, and compares it [5.6].
  async rehearse(typed, backupKey, keyId) {
    try {
      const recovered = await this.recover(typed, keyId);
      if (!timingSafeEqual(recovered, backupKey)) throw new ProtocolError("the vault has another key");
    } catch (error) {
      throw new RehearsalFailed(error);
    }
  }

  // Recovery [6]; the backup key, 32 bytes. `keyId`: of the only key that it may be, if that matters. One after the
  // other, since the vault remembers the last attempt alone.
  async recover(typed, keyId) {
    const recovered = this.#turn.then(() => this.#recover(prepared(typed), keyId));
    this.#turn = recovered.catch(() => {});
    return recovered;
  }

  async #recover(password, keyId) {
    if (this.#attempt?.password !== password) {
      await this.#mayAttempt(password);
      this.#attempt = { password, ...opaque.client.startLogin({ password }) };
    }
    try {
      const backupKey = await this.#repeat(keyId).catch((error) => {
        if (error.reason !== "STATE_EXPIRED") throw error;
        return this.#repeat(keyId); // the same bytes again, which is no second attempt [6.7]
      });
      this.pinned = { identity: toBase64(this.#info.identity_public_key), vault_id: this.#info.vault_id };
      this.#attempt = undefined;
      return backupKey;
    } catch (error) {
      if (DECIDED.includes(error.reason)) this.#attempt = undefined;
      throw error;
    }
  }

  // Before an attempt is charged: it has a chance [6.9], and this device can stretch the password [12.7].
  async #mayAttempt(password) {
    const { active } = await this.status().catch((error) => {
      if (error.reason !== "SCOPE_MISSING") throw error;
      return {};
    });
    if (active?.attempts_left === 0) throw new Error("the last attempt is not decided; another destroys the key");
    const { stretching } = active ?? this.#info;
    if (this.#affordable.has(JSON.stringify(stretching))) return;
    const { clientRegistrationState } = opaque.client.startRegistration({ password });
    const anyPoint = this.#info.identity_public_key;
    this.#register(password, clientRegistrationState, Buffer.concat([anyPoint, anyPoint]), stretching);
  }

  // Makes the RegistrationRecord, which stretches the password.
  #register(password, clientRegistrationState, response, stretching) {
    const registrationResponse = toBase64(response);
    const options = { identifiers: this.#identifiers, keyStretching: keyStretching(stretching) };
    const finished = decoding(() =>
      opaque.client.finishRegistration({ password, clientRegistrationState, registrationResponse, ...options }),
    );
    this.#affordable.add(JSON.stringify(stretching));
    return finished;
  }

  // Sends the attempt's KE1, for the first time or again, and finishes.
  async #repeat(keyId) {
    const { password, clientLoginState, startLoginRequest } = this.#attempt;
    const started = await this.#calls.call("StartRecovery", { ke1: fromBase64(startLoginRequest) });
    const { recovery_state, key_id } = started;
    if (keyId && !keyId.equals(key_id)) throw new Refusal("KEY_REPLACED", {});
    const loginResponse = toBase64(started.ke2);
    const options = { identifiers: this.#identifiers, keyStretching: keyStretching(started.stretching) };
    const finished = decoding(() =>
      opaque.client.finishLogin({ password, clientLoginState, loginResponse, ...options }),
    );
    if (!finished) return this.#reportFailure(started);
    this.#compare(finished.serverStaticPublicKey);
    const proof = { recovery_state, ke3: fromBase64(finished.finishLoginRequest) };
    const { sealed_backup_key } = await this.#calls.call("FinishRecovery", proof);
    return open(fromBase64(finished.exportKey), sealed_backup_key, this.#binding(key_id)).catch(() => {
      throw new ProtocolError("the vault gives back another sealed key");
    });
  }

  // The password is wrong, whatever becomes of the report; but a key that is gone is told as that [6.4].
  async #reportFailure({ recovery_state, attempts_left }) {
    this.#attempt = undefined;
    try {
      await this.#calls.call("FinishRecovery", { recovery_state, ke3: NOT_OPENED });
    } catch (error) {
      if (DECIDED.includes(error.reason)) throw error;
      throw new Refusal("WRONG_PASSWORD", { attempts_left: String(attempts_left) });
    }
    throw new ProtocolError("the vault accepted a proof that proves nothing");
  }

  // Compares an identity, in base64url, with the vault's [4.2, 5.2, 6.5].
  #compare(identity) {
    if (identity !== toBase64(this.#info.identity_public_key)) throw new ProtocolError("this is another vault");
  }

  #binding(keyId) {
    return { vaultId: this.#info.vault_id, account: this.#account, keyId };
  }
}
