// The sealed backup key [3.5 of docs/protocol.md]. `binding` is { vaultId, account, keyId }: what a key belongs to.
import { webcrypto } from "node:crypto";

const { subtle } = webcrypto;
const NONCE_SIZE = 12;
const KEY_LABEL = "strongroom/v1 backup key";
const AAD_LABEL = "strongroom/v1 sealed backup key";

export async function seal(exportKey, backupKey, binding) {
  const nonce = webcrypto.getRandomValues(Buffer.alloc(NONCE_SIZE));
  const sealed = await subtle.encrypt(parameters(nonce, binding), await sealingKey(exportKey), backupKey);
  return Buffer.concat([nonce, Buffer.from(sealed)]);
}

// Throws where the seal is broken, or is for something else.
export async function open(exportKey, sealed, binding) {
  const [nonce, ciphertext] = [sealed.subarray(0, NONCE_SIZE), sealed.subarray(NONCE_SIZE)];
  return Buffer.from(await subtle.decrypt(parameters(nonce, binding), await sealingKey(exportKey), ciphertext));
}

function parameters(iv, { vaultId, account, keyId }) {
  const parts = [Buffer.from(AAD_LABEL), lengthPrefixed(vaultId), lengthPrefixed(account), keyId];
  return { name: "AES-GCM", iv, additionalData: Buffer.concat(parts) };
}

function lengthPrefixed(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

// HKDF-Expand alone, which WebCrypto does not offer; for 32 bytes it is one HMAC (RFC 5869 section 2.3).
async function sealingKey(exportKey) {
  const mac = await subtle.importKey("raw", exportKey, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const key = await subtle.sign("HMAC", mac, Buffer.from(`${KEY_LABEL}\x01`));
  return subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
}
