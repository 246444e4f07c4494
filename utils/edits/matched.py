"""Picture and answer for the registration's last steps: in the same colours, without what changed outside the mask."""

from __future__ import annotations

from .colour_match import NEAR, fit_tone
from .filters import blur, grow, luminance
from .pair import View, values_at
from .registration import BANDS, FINE, Level, features

TONE_BLUR = 0.5  # pixels: of more, an edge has colours that no tone ever gave; of none, noise and JPEG have a say
AROUND_CHANGED, UNCHANGED = 4.0, 0.5  # pixels at a long side of 1024; of the weight


def matched(shown: View, fine: float = FINE) -> Level:
    """Return the level of a view, the picture in the answer's colours.

    Another mix of channels moves edges by 0.05 px, and a changed part shows in the features around it. The tone goes
    from the picture to the answer, as the model's did: what that clipped can be done to the picture, not undone.
    """
    pair = shown.pair
    colour = fit_tone(*values_at(shown.weight, blur(shown.answer, TONE_BLUR), blur(pair.picture, TONE_BLUR)))
    changed = ((colour.apply(pair.smooth) - shown.smooth).abs().amax(dim=1, keepdim=True) > NEAR).float()
    weight = shown.weight * (1 - grow(changed, round(AROUND_CHANGED * pair.unit)))
    if float(weight.sum()) < UNCHANGED * float(shown.weight.sum()):
        weight = shown.weight
    both = (luminance(colour.apply(pair.picture).clamp(0, 1)), luminance(shown.answer))
    picture, answer = (features(luminances, weight, BANDS, fine) for luminances in both)
    return Level(pair.frame, picture, answer, weight)


def lack(shown: View, fine: float) -> float:
    """Return what a view's match, of what is coarser than `fine` pixels and in the same colours, has less than 1."""
    return 1 - matched(shown, fine).match
