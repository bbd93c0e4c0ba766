"""Why a rule may speak of a fault that is not its own, and what is said of rates that are too high."""
from .cases import Expected

DIES = "units that are switched off follow"
STILL = "weights do not move where no gradient is"
GUESSES = "the network goes on guessing"
GROWS = "updates follow the gradient"
BREAKS = "what grows ends as infinite"
FLAT = "large weights make gates flat"
RESTS = "units that are flat for all samples rest"
NOTHING_LEFT = "weights of nothing hand nothing back"

# The third: an update has switched all units off, which only a lower rate prevents.
RATE_TOO_HIGH = (
    Expected("largeUpdates", causes=("rate",)), Expected("explodingGradient", says=("learning_rate",)),
    Expected("vanishingGradient", causes=("update",)))
OF_A_HIGH_RATE = {
    "vanishingGradient": DIES, "explodingGradient": GROWS, "deadUnits": DIES, "risingLoss": GROWS, "nonFinite": BREAKS,
    "saturation": FLAT, "smallUpdates": STILL}
