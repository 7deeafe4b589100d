"""Parameters of the task `stories`: what is read, what the probe asks, and how both are scored."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from lib.params.fields import (
    UNASKED,
    Count,
    NonNegative,
    Number,
    Score,
    Seed,
    Share,
    Steps,
    Strict,
    TaskParameters,
    Text,
    Tokens,
)

if TYPE_CHECKING:
    from lib.params.run import Params

FillerKind = Literal["random", "seen", "unigram", "shuffled", "story"]
FILLERS = get_args(FillerKind)
Range = Annotated[list[Tokens], Field(min_length=2, max_length=2)]

# What each variant sets, unless it is set by name.
VARIANTS = {
    "executed": {
        "pad_targets": "count",
        "probe": {"answer_mask": "bare", "duplicates": "keep", "filler": "random"},
        "validation": {"crops": "fresh"},
    },
    "corrected": {
        "pad_targets": "ignore",
        "probe": {"answer_mask": "inserted", "duplicates": "drop", "filler": "story"},
        "validation": {"crops": "fixed"},
    },
}


class CorpusParams(Strict):
    source: Literal["storyworld", "tinystories", "file"] = Field(
        description="the built-in generator, TinyStories through the datasets library, or local files"
    )
    path: Text = Field(description="source file: the training stories, or a local copy of the data set")
    validation_path: Text = Field(
        description="source file: the validation stories; empty: those that holdout names, or the last stories"
    )
    text_field: Text = Field(description="the field of a row that holds the text")
    holdout: Text = Field(
        description="source file: field=value of the rows that are validation, e.g. version=V2-GPT4-valid"
    )
    train_stories: Count = Field(description="at most so many training stories")
    validation_stories: Count = Field(description="at most so many validation stories")
    min_chars: Number = Field(description="shorter stories are left out")
    seed: Seed = Field(description="of the generator; the same for every run of a study")


class TokenizerParams(Strict):
    kind: Literal["gpt2", "bpe"] = Field(description="GPT-2's, or a small one trained on the corpus")
    path: Text = Field(description="a local tokenizer.json; empty: the hub for gpt2, trained on the corpus for bpe")
    vocab: Annotated[int, Field(ge=300, le=65536)] = Field(
        description="size to train a bpe to; the size itself for gpt2"
    )


class ProbeParams(Strict):
    p: Share = Field(description="share of training examples that carry a probe")
    codewords: Count = Field(description="how many codewords there are")
    codeword_seed: Seed = Field(description="of the choice of codewords")
    gap_in: Range = Field(description="tokens between key and question in training")
    gap_ood: Range = Field(description="tokens between them in the evaluation at longer gaps")
    prefix_eval: Range = Field(description="tokens before the key in evaluation")
    eval_examples: Count = Field(description="examples of each evaluation set")
    answer_mask: Literal["bare", "inserted"] = Field(
        description="as many tokens as the codeword has without its space (as executed), or those there"
    )
    duplicates: Literal["keep", "drop"] = Field(description="codewords that come twice, as 499 of 512 do not")
    filler: FillerKind = Field(
        description="what stands between key and question in evaluation: any token (as executed), those that the "
        "training stories have ten times, tokens as frequent as there, a story's in random order, a story"
    )

    @model_validator(mode="after")
    def _ranges_ascend(self) -> "ProbeParams":
        for name in ("gap_in", "gap_ood", "prefix_eval"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"task.probe.{name} = [{low}, {high}] must be [smallest, largest]")
        return self


class ValidationParams(Strict):
    stories: Count = Field(description="validation stories behind val_loss")
    crops: Literal["fixed", "fresh"] = Field(
        description="the same crops at every evaluation, or others (as executed)"
    )


class Parameters(TaskParameters):
    name: Literal["stories"] = Field(description="language modelling of stories, some of which carry a probe")
    variant: Literal["executed", "corrected"] = Field(
        description="sets pad_targets, answer_mask, duplicates, filler and crops together, where they are not set"
    )
    corpus: CorpusParams
    tokenizer: TokenizerParams
    probe: ProbeParams
    pad_targets: Literal["count", "ignore"] = Field(description="padding as a target of the language loss")
    lambda_probe: NonNegative = Field(description="weight of the probe objective")
    lambda_probe2: NonNegative | None = Field(description="its weight from lambda_step on; null: the same")
    lambda_step: Steps = Field(description="step at which the weight changes")
    validation: ValidationParams
    about: Annotated[Text | None, UNASKED] = Field(
        None,
        description="only stories with one of these words; the tokenizer stays that of all; null: all",
    )

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, values: Any) -> Any:
        """What the variant decides, where nobody has said otherwise."""
        if not isinstance(values, dict) or values.get("variant") not in list(VARIANTS):  # it may be a list itself
            return values
        filled = dict(values)
        for name, decided in VARIANTS[values["variant"]].items():
            given = values.get(name)
            if isinstance(decided, dict):
                filled[name] = decided | given if isinstance(given, dict) else given
            elif given is None:
                filled[name] = decided
        return filled

    def scores(self) -> tuple[Score, ...]:
        return (
            Score("val_loss", "validation loss"),
            Score("probe_ood_acc", "p_ood", largest=True, curve="strong"),
            Score("probe_in_acc", "p_in", curve="soft"),
        )

    def data_key(self) -> str:
        """A hash of everything that the data are made from: files, generator, tokenizer, and the code of each."""
        from lib.tasks.stories.corpus_key import corpus_key

        return corpus_key(self)

    def check(self, p: "Params") -> None:
        if p.batch.size == 0:
            raise ValueError("batch.size = 0: the task stories has no full batch; name a size")
        if not hasattr(p.model, "context"):
            raise ValueError(f"task.name = stories needs a model that reads text, and model.name = {p.model.name}")
        # Sentences are counted at their shortest in whole-token templates (5 + 5); `lib.tasks.stories.probe`
        # checks the real lengths once a tokenizer is there.
        room = p.model.context + 1 - 10
        for name in ("gap_in", "gap_ood"):
            longest = getattr(self.probe, name)[1] + self.probe.prefix_eval[1]
            if longest > room:
                raise ValueError(
                    f"task.probe.{name} ends at {getattr(self.probe, name)[1]}, which with a prefix of "
                    f"{self.probe.prefix_eval[1]} and the probe's two sentences cannot fit "
                    f"model.context = {p.model.context}"
                )
