"""A service of one file: it greets, and remembers who came by."""

from collections import Counter

from wireloom import Application, Controller, EventPattern, MessagePattern


@Controller()
class Hello:
    def __init__(self) -> None:
        self._visits: Counter[str] = Counter()

    @MessagePattern("hello")
    async def hello(self, name: str = "world") -> str:
        visits = self._visits[name]
        return f"Hello, {name}!" + (f" This is visit {visits + 1}." if visits else "")

    @EventPattern("visitor.{name}.came")
    async def came(self, name: str) -> None:
        self._visits[name] += 1


app = Application("hello", controllers=[Hello], transports={"main": "tcp://127.0.0.1:4000"})

if __name__ == "__main__":
    app.run()
