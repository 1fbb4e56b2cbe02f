"""Whether one pattern stands for all that another does."""

from wireloom.pattern import Pattern

__all__ = ["covers"]


def covers(stream: Pattern, pattern: Pattern) -> bool:
    """Tell whether all that a pattern stands for is also what the stream's pattern stands for."""
    kept, wanted = list(stream.tokens), list(pattern.tokens)
    if kept[-1] == ">":
        if len(wanted) < len(kept):
            return False
        kept, wanted = kept[:-1], wanted[: len(kept) - 1]
    elif len(kept) != len(wanted) or wanted[-1] == ">":
        return False
    return all(
        mine == theirs or (mine == "*" and theirs != ">")
        for mine, theirs in zip(kept, wanted, strict=True)
    )
