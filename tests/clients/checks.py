"""What the Python programs share: where the sandbox is, and one line of output for each check."""

import json
import os
import sys
import traceback

SANDBOX = json.loads(os.environ["SANDBOX"])
"""The sandbox's first line of output, with `entra_https`, `servicenow_https` and `ca` of the TLS front."""

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c6360606000000004000127340a710000000049454e44ae426082"
)
"""The smallest image there is: one black pixel."""

_failures = 0


def check(client, what, action):
    """Runs one check. It fails when it raises; what it returns is the value for later checks, or None."""
    global _failures
    try:
        value = action()
    except Exception:
        _failures += 1
        print(f"FAILED  {client}: {what}", flush=True)
        print("        " + traceback.format_exc().strip().replace("\n", "\n        "), flush=True)
        return None
    print(f"ok      {client}: {what}", flush=True)
    return value


def expect(is_true, found):
    """Like `assert`, but shows what was found and cannot be switched off."""
    if not is_true:
        raise AssertionError(f"found {found!r}")


def finish():
    """Ends the program, with 1 if a check failed."""
    sys.exit(1 if _failures else 0)
