"""Rules: each looks at a case and yields verdicts; `causes` tells causes from what follows from them."""
