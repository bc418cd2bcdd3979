// The other side of the interoperability tests: runs client.js against a vault, and single functions of
// opaque-ke. Reads one JSON request {call, args} a line, writes one JSON answer a line.
import { createInterface } from "node:readline";
import * as opaque from "@serenity-kit/opaque-p256";
import { Client } from "./client.js";

let client;
const calls = {
  connect: (settings, identity) => {
    client?.close();
    client = new Client(settings);
    return client.meet(identity);
  },
  protect: (password, backupKey) => client.protect(password, Buffer.from(backupKey, "hex")),
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
