// What the Node programs share: where the sandbox is, and one line of output for each check.

/** The sandbox's first line of output, with `entra_https`, `servicenow_https` and `ca` of the TLS front. */
export const sandbox = JSON.parse(process.env.SANDBOX);

/** Runs one check. It fails when it throws; what it returns is the value for later checks. */
export async function check(client, what, action) {
  try {
    const value = await action();
    console.log(`ok      ${client}: ${what}`);
    return value;
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED  ${client}: ${what}`);
    const text = error?.stack ?? JSON.stringify(error);
    console.log(`        ${text}\n${JSON.stringify(error)}`.replaceAll("\n", "\n        "));
    return undefined;
  }
}

/** Throws with what was found unless the first argument is true. */
export function expect(isTrue, found) {
  if (!isTrue) throw new Error(`found ${JSON.stringify(found)}`);
}
