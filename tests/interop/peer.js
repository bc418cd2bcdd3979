// The other side of the interoperability tests: runs client.js against a vault, and single functions of
// opaque-ke. Reads one JSON request {call, args} a line, writes one JSON answer a line.
import { createInterface } from "node:readline";
import * as opaque from "@serenity-kit/opaque-p256";
import { Client } from "./client.js";
import { prepared } from "./passwords.js";

let client;
const attempt = (password) => {
  try {
    return Buffer.from(prepared(password)).toString("hex");
  } catch {
    return null;
  }
};
const calls = {
  prepared: (before, after, points) => points.map((point) => attempt(before + String.fromCodePoint(point) + after)),
  connect: (settings, ...pinned) => {
    client?.close();
    client = new Client(settings);
    return client.meet(...pinned);
  },
  meet: () => client.meet(),
  pinned: () => client.pinned,
  status: async () => Object.keys(await client.status()).filter((name) => name !== "suite"),
  protect: (password, backupKey) => client.protect(password, Buffer.from(backupKey, "hex")),
  protectWithoutRoom: (password, backupKey) =>
    client.protect(password, Buffer.from(backupKey, "hex"), () => Promise.reject(new Error("the disk is full"))),
  rehearse: (password, backupKey, keyId) =>
    client.rehearse(password, Buffer.from(backupKey, "hex"), Buffer.from(keyId, "hex")),
  recoverTwice: async (...passwords) => {
    const [, last] = await Promise.allSettled(passwords.map((password) => client.recover(password)));
    if (last.status === "rejected") throw last.reason;
    return last.value.toString("hex");
  },
  recover: async (password) => (await client.recover(password)).toString("hex"),
};
for (const role of ["client", "server"]) {
  for (const [name, call] of Object.entries(opaque[role])) calls[`${role}.${name}`] = call;
}

// What opaque-ke throws is not always an Error.
const described = (error) => ({
  error: error.message ?? String(error),
  reason: error.reason ?? null,
  details: error.reason ? error.details : {},
  kind: error.constructor?.name ?? null,
});

await opaque.ready;
for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await calls[call](...args)) ?? null };
  } catch (error) {
    answer = described(error);
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
client?.close();
