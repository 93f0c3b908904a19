// servicenow-rest-api: sample, query with fields, attachments of a user.

import ServiceNow from "servicenow-rest-api";
import { check, expect, sandbox } from "./checks.mjs";

const name = "servicenow-rest-api";
const host = new URL(sandbox.servicenow_https).host;
const instance = new ServiceNow(host, sandbox.servicenow_username, sandbox.servicenow_password);
// The library prints every URL it asks.
const quietly = async (action) => {
  const { log } = console;
  console.log = () => {};
  try {
    return await action();
  } finally {
    console.log = log;
  }
};
const call = (method, ...rest) =>
  quietly(
    () =>
      new Promise((resolve, reject) =>
        instance[method](...rest, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer))),
      ),
  );

await check(name, "getSampleData", async () => {
  const rows = await call("getSampleData", "sys_user");
  expect(rows.length === 1 && rows[0].sys_id, rows);
});

await check(name, "getTableData with fields and a query", async () => {
  const rows = await call("getTableData", ["sys_id", "name"], ["active=true", "nameSTARTSWITHA"], "sys_user");
  expect(rows.length > 0 && rows.every((row) => row.name.startsWith("A")), rows);
});

await check(name, "createNewTask is refused on a table the account may not write", async () => {
  const answer = await call("createNewTask", { name: "nobody" }, "no_such_table").catch((error) => error);
  expect([400, 403, 404].includes(answer?.response?.status), answer?.message);
});

await check(name, "attachments: upload by fetch, then list, metadata and download", async () => {
  const [user] = await call("getTableData", ["sys_id"], ["active=true"], "sys_user");
  const headers = {
    authorization: `Basic ${btoa(`${sandbox.servicenow_username}:${sandbox.servicenow_password}`)}`,
    "content-type": "text/plain",
  };
  const upload = `${sandbox.servicenow_https}/api/now/attachment/file?table_name=sys_user&table_sys_id=${user.sys_id}&file_name=note.txt`;
  const uploaded = await fetch(upload, { method: "POST", headers, body: "hello" });
  expect(uploaded.status === 201, uploaded.status);
  const { sys_id } = (await uploaded.json()).result;
  const all = await call("getAllAttachmentsMetaData", user.sys_id);
  expect(all.some((item) => item.sys_id === sys_id), all);
  const metadata = await call("getAttachmentMetaData", sys_id);
  expect(metadata.file_name === "note.txt" && metadata.size_bytes === "5", metadata);
  const file = await call("getAttachment", sys_id);
  expect(file.data === "hello", file.data);
  const gone = await fetch(`${sandbox.servicenow_https}/api/now/attachment/${sys_id}`, { method: "DELETE", headers });
  expect(gone.status === 204, gone.status);
});
