"""`clearway route TEXT`, `route eval`, `route calibrate`: from the project's files, without a store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from clearway.cli.command import EPILOG, command
from clearway.cli.context import At

ABSTAINED = 1
_BINS = 10
_SHOWN = 15


class TextFirst(TyperGroup):
    """`clearway route TEXT` is `clearway route text TEXT`: what names no command is a text."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        given = args if args and args[0] in self.commands else ["text", *args]
        return super().resolve_command(ctx, given)


def declare(root: typer.Typer) -> None:
    group = typer.Typer(
        cls=TextFirst,
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Routing: which skill a text goes to, and how good that is on labelled texts. "
        "`clearway route TEXT` is `clearway route text TEXT`.",
    )
    root.add_typer(group, name="route", epilog=EPILOG, context_settings={"ignore_unknown_options": True})
    command(group, "text")(text)
    command(group, "eval")(evaluate)
    command(group, "calibrate")(calibrate)


Dataset = Annotated[
    Path,
    typer.Argument(metavar="DATASET", help='JSON lines {"text": …, "skill": …}; null where no skill should take it.'),
]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Also draw it, as a PNG; needs clearway[router].")
]


def text(
    at: At,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What somebody asks.")],
    explain: Annotated[bool, typer.Option("--explain", help="Also the candidates and the routers passed by.")] = False,
) -> int:
    """Say which skill a text goes to, and why. Nothing is run. Ends with 1 where no skill is taken."""
    _, project, router = _load(at)
    found = router.route(text, project.skills)

    def show() -> None:
        out = at.out
        out.say(found.skill or "no skill", style="bold")
        rows: list[tuple[str, Any]] = [
            ("why", found.why),
            ("score", f"{found.score:.2f}"),
            ("threshold", f"{found.threshold:.2f}"),
            ("runner-up", found.runner_up and f"{found.runner_up}, {found.margin:.2f} behind"),
            ("router", f"{found.router} {found.version}".strip()),
        ]
        out.fields(rows)
        if explain:
            for passed in found.passed_by:
                out.say(f"  passed by  {passed}")
            out.say()
            out.table(("candidate", "share"), [(skill, f"{share:.3f}") for skill, share in found.candidates])

    at.out.emit("route", found.as_json(), show)
    return 0 if found.skill is not None else ABSTAINED


def evaluate(at: At, dataset: Dataset, plot: Plot = None) -> None:
    """Measure the project's routers on labelled texts: accuracy, precision and recall, what is out of scope."""
    from clearway.rules.routing import evaluation

    routing, project, router = _load(at)
    labelled = routing.read_dataset(dataset, project.skills)
    rows = routing.route_all(router, project.skills, labelled)
    found = evaluation.evaluate(rows)
    known = routing.known_texts(labelled, project.skills)
    if plot is not None:
        _plot_evaluation(plot, rows)

    def show() -> None:
        out = at.out
        out.fields(
            [
                ("texts", f"{found.in_scope} in scope, {found.out_of_scope} out of scope"),
                ("routers", ", ".join(f"{name} {count}" for name, count in sorted(found.routers.items()))),
                ("accuracy of the best fit", _rate(found.accuracy)),
                ("taken, of what is in scope", _rate(found.taken)),
                ("right, of what is taken", _rate(found.right_where_taken)),
                ("taken, of what is out of scope", _rate(found.false_accepts)),
                ("AUROC, in or out of scope", found.auroc and _area(found.auroc)),
                ("false accepts at 95 % recall", found.fpr_at_95 and _area(found.fpr_at_95)),
            ]
        )
        out.say()
        out.table(
            ("skill", "precision", "recall"),
            [(skill, _rate(found.precision[skill]), _rate(found.recall[skill])) for skill in found.recall],
        )
        if found.confusion:
            out.say()
            out.table(
                ("labelled", "routed to", "texts"),
                [(said or "out of scope", went or "no skill", n) for said, went, n in found.confusion[:_SHOWN]],
            )

    at.out.emit("route_evaluation", {**found.as_json(), "examples": known}, show)
    if known:
        at.out.hint(f"{known} of the texts are examples of the skills: what was learned from proves nothing")
    if not found.out_of_scope:
        at.out.hint('nothing in the dataset is out of scope: add texts that no skill should take, with "skill": null')


def calibrate(
    at: At,
    dataset: Dataset,
    recall: Annotated[
        float, typer.Option("--recall", metavar="SHARE", min=0.5, max=1.0, help="Of what is in scope, accept so much.")
    ] = 0.95,
    precision: Annotated[
        float | None,
        typer.Option(
            "--precision",
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="In place of --recall: so much of what is taken is right.",
        ),
    ] = None,
    plot: Plot = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
) -> None:
    """Fit threshold, P(correct) and near ties of the project's router on labelled texts that are no examples.

    Prints the trade-off and writes `routes/calibration.json`, which is part of the project and of its releases."""
    routing, project, _ = _load(at)
    found = routing.calibrate(
        project, routing.read_dataset(dataset, project.skills), recall=recall, precision=precision
    )
    written = None if dry_run else routing.keep_calibration(project, found)
    scale = found.calibration.scale
    if plot is not None:
        _plot_trade_offs(plot, found.trade_offs, scale.threshold)

    def show() -> None:
        out = at.out
        out.fields(
            [
                ("router", f"{found.router} {found.calibration.version}"),
                ("texts", f"{found.texts}; {found.left_out} left out: examples, or texts for another router"),
                ("threshold", f"{scale.threshold:.3f}"),
                ("near tie", f"under {scale.tie:.3f}"),
                ("written", written and str(written.relative_to(project.folder))),
            ]
        )
        out.say()
        out.table(
            ("threshold", "taken in scope", "right of taken", "taken out of scope"),
            [
                (
                    f"{t.threshold:.3f}{' <' if t.threshold == scale.threshold else ''}",
                    f"{t.taken:.3f}",
                    f"{t.precision:.3f}",
                    f"{t.false_accepts:.3f}",
                )
                for t in found.trade_offs
            ],
        )

    at.out.emit("route_calibration", {**found.as_json(), "file": written and written.name}, show)
    if not found.out_of_scope:
        at.out.hint("nothing in the dataset is out of scope, so P(correct) tells only how often skills are confused")


def _load(at: At) -> tuple[Any, Any, Any]:
    from clearway.operate import routes

    project = at.load()
    return routes, project, routes.make_router(project, routes.models_of(project))


def _rate(rate: Any) -> str:
    if rate.value is None or rate.interval is None:
        return "–"
    return f"{rate.value:.3f} ({rate.interval[0]:.3f}–{rate.interval[1]:.3f}; {rate.right} of {rate.of})"


def _area(area: Any) -> str:
    return f"{area.value:.3f} ({area.interval[0]:.3f}–{area.interval[1]:.3f})"


def _plot_trade_offs(path: Path, found: Sequence[Any], threshold: float) -> None:
    from clearway.adapters.router.plot import write_png

    write_png(path, [_trade_off_panel(found, threshold)])


def _plot_evaluation(path: Path, rows: Sequence[Any]) -> None:
    """The trade-off of thresholds, how often a score is right, and the confusion matrix."""
    from clearway.adapters.router.plot import Curve, Matrix, Panel, write_png
    from clearway.operate.routes import THRESHOLDS
    from clearway.rules.routing.evaluation import matrix, trade_offs

    bins: list[list[tuple[float, bool]]] = [[] for _ in range(_BINS)]
    for label, route in rows:
        bins[min(int(route.score * _BINS), _BINS - 1)].append((route.score, route.best == label.skill))
    points = [(sum(s for s, _ in b) / len(b), sum(ok for _, ok in b) / len(b)) for b in bins if b]
    reliability = Panel(
        "How often a score is right", "score", [Curve("observed", points), Curve("ideal", [(0, 0), (1, 1)])]
    )
    threshold = next((route.threshold for _, route in rows if route.threshold), None)
    labels, counts = matrix(rows)
    confusion = Matrix("Routed to (columns), as labelled (rows)", [label or "no skill" for label in labels], counts)
    write_png(path, [_trade_off_panel(trade_offs(rows, THRESHOLDS), threshold), reliability, confusion])


def _trade_off_panel(found: Sequence[Any], threshold: float | None) -> Any:
    from clearway.adapters.router.plot import Curve, Panel

    curves = [
        Curve("taken, of what is in scope", [(t.threshold, t.taken) for t in found]),
        Curve("right, of what is taken", [(t.threshold, t.precision) for t in found]),
        Curve("taken, of what is out of scope", [(t.threshold, t.false_accepts) for t in found]),
    ]
    return Panel("What a threshold gives", "threshold", curves, threshold)
