"""How a setting is shown to change something: what is observed is another thing, or a refusal, once it changes."""

from ferkit.errors import FerkitError


class Refusal(str):
    """The words of a refusal."""


def outcome(work, *arguments):
    """What a function returns, or says in refusing."""
    try:
        return work(*arguments)
    except FerkitError as error:
        return Refusal(error)


_SEEN = {}


def different(observe, given=None, **change):
    """A proof: what is observed of the settings `given`, all others at their defaults, differs once one changes."""

    def proof():
        before = observe.__name__, repr(given)
        if before not in _SEEN:
            _SEEN[before] = observe(**(given or {}))
        assert not isinstance(_SEEN[before], Refusal), "refused before anything is changed"
        return observe(**{**(given or {}), **change}) != _SEEN[before]

    return proof
