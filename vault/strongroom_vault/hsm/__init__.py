"""Token workers as the vault's process sees them: jobs, the pipe, and who does what.

Runs in the event loop. A caller's job goes down `dispatcher` (queue, batches, answers) and
`process` (one worker, over `framing`); beside it, `supervisor` keeps the workers alive and
`starting` starts them. No PKCS#11 module is ever loaded in this process: `hsm/token/` does that, in
processes of its own.
"""
