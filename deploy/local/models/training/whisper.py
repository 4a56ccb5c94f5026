"""Train the stand-in Whisper on synthetic speech and convert it; on by default from the one that is checked in.

python -m deploy.local.models.training.whisper --minutes 15
python -m deploy.local.models.training.whisper --from-scratch --minutes 120
Needs the extra `train`.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any

import numpy as np
import torch
import typer
from ctranslate2.converters import TransformersConverter
from faster_whisper.feature_extractor import FeatureExtractor
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, WhisperConfig, WhisperForConditionalGeneration

from deploy.local.models.training import bank as banks
from deploy.local.models.training.converted import weights_of
from deploy.local.models.training.heard import remember
from deploy.local.models.training.registry import FOLDER
from deploy.local.models.training.speech import SAMPLE_RATE, Samples

MODEL = FOLDER / "whisper-tiny-espeak"
# written once: its vocabulary, its windows, its languages, and of all heads of the decoder the one whose attention
# tells the times of words best
COPIED = ("tokenizer.json", "preprocessor_config.json", "config.json")
WIDTH, MELS, FRAMES = 144, 80, 3000  # the libraries show a Whisper 30 s, whatever is spoken in them
WINDOW_SECONDS = (2.0, 6.5)  # of speech in a window: the engine packs up to 4 s, see preprocessor_config.json
BATCH = 8
PITCHES = tuple(range(42, 59))
IGNORED = -100


def number_of(tokenizer: Tokenizer, name: str) -> int:
    """The number of a special token."""
    return int(tokenizer.get_vocab()[f"<|{name}|>"])


@dataclass(frozen=True, slots=True)
class Tokens:
    """The special tokens that a sequence is made of."""

    start: int
    end: int
    transcribe: int
    no_times: int
    no_speech: int

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer) -> "Tokens":
        """The special tokens of a tokenizer."""
        names = ("startoftranscript", "endoftext", "transcribe", "notimestamps", "nospeech")
        return cls(*(number_of(tokenizer, name) for name in names))


@dataclass(frozen=True)
class Examples:
    """Windows of speech with the tokens that are to be heard in them."""

    tokenizer: Tokenizer
    tokens: Tokens
    spoken: dict[str, list[banks.Spoken]]
    features: FeatureExtractor

    def batch(self, random: Random) -> tuple[torch.Tensor, torch.Tensor]:
        """Features [batch, mels, frames] and tokens [batch, length], filled up with IGNORED."""
        made = [self._one(random) for _ in range(BATCH)]
        tokens = torch.full((BATCH, max(len(sequence) for _, sequence in made)), IGNORED)
        for row, (_, sequence) in enumerate(made):
            tokens[row, : len(sequence)] = torch.tensor(sequence)
        return torch.from_numpy(np.stack([mel for mel, _ in made])), tokens

    def _one(self, random: Random) -> tuple[Samples, list[int]]:
        language = random.choice(("en", "he"))
        samples, texts = self._talk(language, random)
        head = [self.tokens.start, number_of(self.tokenizer, language), self.tokens.transcribe]
        words = self.tokenizer.encode("".join(f" {text}" for text in texts)).ids
        sequence = [*head, self.tokens.no_times, *words, self.tokens.end]
        if not texts:
            sequence = [self.tokens.start, self.tokens.no_speech, self.tokens.end]
        mel = self.features(samples)[:, :FRAMES]
        return np.pad(mel, ((0, 0), (0, FRAMES - mel.shape[1]))).astype(np.float32), sequence

    def _talk(self, language: str, random: Random) -> tuple[Samples, list[str]]:
        length = int(random.uniform(*WINDOW_SECONDS) * SAMPLE_RATE)
        samples, texts = banks.noise(length, random), []
        position = int(random.uniform(0.1, 0.5) * SAMPLE_RATE)
        while random.random() > 0.05:
            item = random.choice(self.spoken[language])
            if position + len(item.samples) > length:
                break
            place = slice(position, position + len(item.samples))
            samples[place] += item.samples * np.float32(random.uniform(0.4, 1.2))
            texts.append(item.sentence.text)
            position = place.stop + int(random.uniform(0.1, 1.0) * SAMPLE_RATE)
        # a window ends soon after its last word, as the detector of speech cuts it
        samples = samples[: min(length, position + int(0.3 * SAMPLE_RATE))] if texts else samples
        if random.random() < 0.25:
            samples = banks.telephone(samples, random.choice(banks.TELEPHONE_HZ))
        return samples, texts


def untrained(tokenizer: Tokenizer) -> WhisperForConditionalGeneration:
    """A Whisper of the stand-in's size."""
    tokens = Tokens.from_tokenizer(tokenizer)
    return WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=tokenizer.get_vocab_size(),
            num_mel_bins=MELS,
            d_model=WIDTH,
            encoder_layers=3,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=4 * WIDTH,
            decoder_ffn_dim=4 * WIDTH,
            decoder_start_token_id=tokens.start,
            pad_token_id=tokens.end,
            bos_token_id=tokens.end,
            eos_token_id=tokens.end,
            suppress_tokens=None,
            begin_suppress_tokens=None,
        )
    )


def train(model: WhisperForConditionalGeneration, examples: Examples, minutes: float, rate: float) -> float:
    """Train in place with a helper that spells (CTC) at the encoder's end; the mean loss of the last steps."""
    speller = torch.nn.Linear(WIDTH, model.config.vocab_size + 1)
    parameters = [p for p in (*model.parameters(), *speller.parameters()) if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    random, mean = Random(71), 0.0
    for step, progress in enumerate(_clock(minutes * 60), start=1):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, step / 50) * (1 - 0.98 * progress)
        features, tokens = examples.batch(random)
        loss, spelling = _losses(model, speller, features, tokens, examples.tokens.end)
        optimizer.zero_grad()
        torch.autograd.backward(loss + 0.1 * spelling)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        mean = loss.item() if step == 1 else 0.98 * mean + 0.02 * loss.item()
        if step % 25 == 0:
            print(f"step {step}, {progress:.0%}, loss {mean:.3f}, spelling {spelling.item():.3f}", flush=True)
    return mean


def _clock(seconds: float) -> Iterator[float]:
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        yield elapsed / seconds


def _losses(
    model: WhisperForConditionalGeneration,
    speller: torch.nn.Linear,
    features: torch.Tensor,
    tokens: torch.Tensor,
    end: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    given, wanted = tokens[:, :-1].clamp(min=0), tokens[:, 1:]
    output: Any = model(input_features=features, decoder_input_ids=given, use_cache=False)
    loss = functional.cross_entropy(output.logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)
    words = [[token + 1 for token in row.tolist() if 0 <= token < end] for row in wanted]
    spelled = speller(output.encoder_last_hidden_state).log_softmax(-1).transpose(0, 1)
    spelling = functional.ctc_loss(
        spelled,
        torch.tensor([token for row in words for token in row]),
        torch.full((len(words),), spelled.shape[0]),
        torch.tensor([len(row) for row in words]),
        zero_infinity=True,
    )
    return loss, spelling


def convert(model: WhisperForConditionalGeneration, tokenizer: Tokenizer, out: Path) -> None:
    """Write the model as CTranslate2 reads it, with the files that faster-whisper needs."""
    with tempfile.TemporaryDirectory() as folder:
        model.generation_config.suppress_tokens = model.generation_config.begin_suppress_tokens = None
        model.save_pretrained(folder)
        special = {f"{name}_token": "<|endoftext|>" for name in ("bos", "eos", "pad", "unk")}
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
        made = Path(folder) / "converted"
        TransformersConverter(folder).convert(str(made), quantization="int8")
        out.mkdir(parents=True, exist_ok=True)
        for name in ("model.bin", "vocabulary.json"):
            shutil.copy(made / name, out / name)
    for name in COPIED:
        if out != MODEL:
            shutil.copy(MODEL / name, out / name)


def main(
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 15.0,
    sentences: Annotated[int, typer.Option(help="How many sentences to synthesize first.")] = 6000,
    from_scratch: Annotated[bool, typer.Option(help="Begin with nothing.")] = False,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 6e-4,
    out: Annotated[Path, typer.Option(help="Folder of the converted model.")] = MODEL,
) -> None:
    """Train and write the converted model; run .registry afterwards."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    model = untrained(tokenizer)
    if not from_scratch:
        missing, unexpected = model.load_state_dict(weights_of(MODEL / "model.bin"), strict=False)
        if unexpected or set(missing) - {"proj_out.weight"}:
            raise typer.BadParameter(f"{MODEL} is no stand-in: {missing} {unexpected}")
        model.tie_weights()
    spoken = banks.bank(sentences, seed=21, variants=banks.WHISPER_VARIANTS, pitches=PITCHES)
    remember((item.sentence, item.voice) for item in spoken)
    by_language = {code: [item for item in spoken if item.sentence.language == code] for code in ("en", "he")}
    model.train()
    loss = train(
        model, Examples(tokenizer, Tokens.from_tokenizer(tokenizer), by_language, FeatureExtractor()), minutes, rate
    )
    convert(model.eval(), tokenizer, out)
    print(f"loss {loss:.3f}, written to {out}")


if __name__ == "__main__":
    typer.run(main)
