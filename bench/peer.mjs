// CPU time of opaque-p256's server in one recovery: startLogin + finishLogin, keys in memory.
// node peer.mjs PACKAGE-FOLDER ROUNDS     prints microseconds per recovery
import { createRequire } from "node:module";
import { join } from "node:path";
const [, , folder, rounds] = process.argv;
const opaque = createRequire(join(folder, "package.json"))("@serenity-kit/opaque-p256");
await opaque.ready;
const { client, server } = opaque;
const serverSetup = server.createSetup();
const password = "correct horse battery staple";
const userIdentifier = "account";
const keyStretching = { "argon2id-custom": { memory: 256, iterations: 1, parallelism: 1 } };
const { clientRegistrationState, registrationRequest } = client.startRegistration({ password });
const { registrationResponse } = server.createRegistrationResponse({
  serverSetup, userIdentifier, registrationRequest,
});
const { registrationRecord } = client.finishRegistration({
  clientRegistrationState, registrationResponse, password, keyStretching,
});
let used = 0;
const measured = (work) => {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  used += user + system;
  return result;
};
for (let round = 0; round < Number(rounds); round++) {
  const { clientLoginState, startLoginRequest } = client.startLogin({ password });
  const { serverLoginState, loginResponse } = measured(() =>
    server.startLogin({ serverSetup, userIdentifier, registrationRecord, startLoginRequest }));
  const done = client.finishLogin({ clientLoginState, loginResponse, password, keyStretching });
  measured(() => server.finishLogin({ serverLoginState, finishLoginRequest: done.finishLoginRequest }));
}
console.log((used / rounds).toFixed(1));
