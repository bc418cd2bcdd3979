// How passwords are prepared, and what they are stretched with [3.3, 3.4, 10.4 of docs/protocol.md].
import { within } from "./calls.js";

const MAX_SIZE = 1024;
const STRETCHING_BOUNDS = { memory_kib: [65536, 1048576], passes: [3, 16], lanes: [1, 16] };

const SPACES = /\p{Zs}/gu;
const INVISIBLE = /(?![\u200c\u200d\u{e0020}-\u{e007f}])\p{Default_Ignorable_Code_Point}/gu;
const REFUSED =
  /\p{Cc}|[\u2028\u2029]|\p{Cs}|\p{Co}|\p{Noncharacter_Code_Point}|(?<![\u0300-\u{10ffff}])[\u200c\u200d]/u;

// The text that OPAQUE gets of what a person typed.
export function prepared(typed) {
  const password = typed.replace(SPACES, " ").replace(INVISIBLE, "").normalize("NFC");
  const refused = password.match(REFUSED);
  if (refused) throw new Error(`U+${refused[0].codePointAt(0).toString(16)} cannot be part of a password`);
  const size = Buffer.byteLength(password);
  if (size < 1 || size > MAX_SIZE) throw new Error(`a password has 1 to ${MAX_SIZE} bytes`);
  return password;
}

// A new password: nothing that this engine's form C may not know yet.
export function preparedNew(typed) {
  const password = prepared(typed);
  if (/\p{Cn}/u.test(password)) throw new Error("a new password has no characters newer than this program");
  return password;
}

// opaque-ke's name for the stretching, which is refused before any work if out of bounds [3.4].
export function keyStretching(stretching) {
  for (const [name, bounds] of Object.entries(STRETCHING_BOUNDS)) within(stretching?.[name], bounds, name);
  const { memory_kib: memory, passes: iterations, lanes: parallelism } = stretching;
  return { "argon2id-custom": { memory, iterations, parallelism } };
}
