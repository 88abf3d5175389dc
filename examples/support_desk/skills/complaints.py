"""An agent: a model looks into a complaint, with the desk's tools and within a budget.

What it is told stands in prompts/complaints.md. In the demonstration a script answers in the model's place, so that it
needs no key and no network; put a real model in with `model="openai:gpt-5-mini"`.
"""

from tools.billing import read_account, refund

from clearway import Budget, agent


@agent(
    description="Looks into a complaint and pays back what is fair.",
    model="script:complaints",
    tools=[read_account, refund],
    budget=Budget(turns=8, steps=10, tokens=20_000, wall_s=60),
    examples=["Please look into this customer's complaint."],
    owner="desk",
)
def complaints(text: str) -> None: ...
