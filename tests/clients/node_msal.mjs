// @azure/msal-node, @azure/identity and @microsoft/microsoft-graph-client: token, users, photo, batch.

import { ClientSecretCredential } from "@azure/identity";
import { ConfidentialClientApplication } from "@azure/msal-node";
import { BatchRequestContent, BatchResponseContent, Client, PageIterator } from "@microsoft/microsoft-graph-client";
import { check, expect, sandbox } from "./checks.mjs";

const base = sandbox.entra_https;
const host = new URL(base).host;
const scopes = ["https://graph.microsoft.com/.default"];

const token = await check("@azure/msal-node", "token for client credentials, second one from the cache", async () => {
  const app = new ConfidentialClientApplication({
    auth: {
      clientId: sandbox.client_id,
      clientSecret: sandbox.client_secret,
      authority: `${base}/${sandbox.tenant_id}`,
      knownAuthorities: [host],
    },
  });
  const answer = await app.acquireTokenByClientCredential({ scopes });
  expect(answer.accessToken && !answer.fromCache, answer);
  expect((await app.acquireTokenByClientCredential({ scopes })).fromCache, "no cache");
  return answer.accessToken;
});

await check("@azure/identity", "ClientSecretCredential gets a token", async () => {
  const credential = new ClientSecretCredential(sandbox.tenant_id, sandbox.client_id, sandbox.client_secret, {
    authorityHost: base,
    disableInstanceDiscovery: true,
  });
  const answer = await credential.getToken(scopes);
  expect(answer.token && answer.expiresOnTimestamp > 0, answer.expiresOnTimestamp);
});

const name = "@microsoft/microsoft-graph-client";
const graph = Client.init({
  baseUrl: `${base}/`,
  customHosts: new Set(["127.0.0.1", host]),
  authProvider: (done) => done(null, token),
});

const users = await check(name, "users: every page with PageIterator", async () => {
  const first = await graph.api("/users").select("id,displayName").top(40).get();
  expect(first.value.length === 40, first.value.length);
  const found = [];
  await new PageIterator(graph, first, (user) => found.push(user) > 0).iterate();
  expect(found.length >= 200 && new Set(found.map((user) => user.id)).size === found.length, found.length);
  return found;
});

const photos = await check(name, "batch: photo metadata of 20 users", async () => {
  const steps = users.slice(0, 20).map((user) => ({
    id: user.id,
    // Without the version, as its maintainers advise for 3.0.7: microsoftgraph/msgraph-sdk-javascript#1451.
    request: new Request(`${base}/users/${user.id}/photo`, { method: "GET" }),
  }));
  const content = await new BatchRequestContent(steps).getContent();
  const answers = new BatchResponseContent(await graph.api("/$batch").post(content));
  const found = [];
  for (const user of users.slice(0, 20)) {
    const answer = answers.getResponseById(user.id);
    expect([200, 404].includes(answer.status), answer.status);
    if (answer.ok) found.push({ ...(await answer.json()), user: user.id });
  }
  // 1x1 stands for "no photo".
  const real = found.filter((photo) => photo.width > 1);
  expect(real.length > 0 && real.every((photo) => photo["@odata.mediaContentType"] === "image/jpeg"), found);
  return real;
});

await check(name, "photo bytes as a stream and as an ArrayBuffer", async () => {
  const path = `/users/${photos[0].user}/photo/$value`;
  const bytes = new Uint8Array(await graph.api(path).responseType("arraybuffer").get());
  expect(bytes[0] === 0xff && bytes[1] === 0xd8, [...bytes.slice(0, 4)]);
  let size = 0;
  for await (const chunk of await graph.api(path).getStream()) size += chunk.length;
  expect(size === bytes.length, [size, bytes.length]);
});

await check(name, "a missing user is a GraphError with its code", async () => {
  try {
    await graph.api("/users/00000000-0000-0000-0000-000000000001").get();
  } catch (error) {
    expect(error.statusCode === 404 && error.code === "Request_ResourceNotFound", error);
    return;
  }
  throw new Error("a user that is not there was found");
});
