"""Token workers as the vault's process sees them: jobs, the pipe, who does what.

Runs in the event loop. No PKCS#11 module is ever loaded in this process; `hsm/token/` does that, in
processes of its own.
"""
