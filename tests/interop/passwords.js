// Passwords as OpaqueString prepares them, without its table of characters, and what they are stretched with
// [3.3, 3.4, 10.4 of docs/protocol.md].
import { within } from "./calls.js";

const MAX_SIZE = 1024;
const STRETCHING_BOUNDS = { memory_kib: [65536, 1048576], passes: [3, 16], lanes: [1, 16] };

// A password for a recovery: whatever another client may have registered.
export function prepared(typed) {
  const password = typed.replace(/\p{Zs}/gu, " ").normalize("NFC");
  if (/\p{Surrogate}/u.test(password)) throw new Error("a password has no lone surrogates");
  const size = Buffer.byteLength(password);
  if (size < 1 || size > MAX_SIZE) throw new Error(`a password has 1 to ${MAX_SIZE} bytes`);
  return password;
}

// A new password: only what every other client takes.
export function preparedNew(typed) {
  const password = prepared(typed);
  const isTakenByAll = /^[\u0020-\u007e\u00c0-\u024f]+$/u.test(password);
  if (!isTakenByAll) throw new Error("a new password has printable ASCII and Latin letters only");
  return password;
}

// opaque-ke's name for the stretching, which is refused before any work if out of bounds [3.4].
export function keyStretching(stretching) {
  for (const [name, bounds] of Object.entries(STRETCHING_BOUNDS)) within(stretching?.[name], bounds, name);
  const { memory_kib: memory, passes: iterations, lanes: parallelism } = stretching;
  return { "argon2id-custom": { memory, iterations, parallelism } };
}
