"""Train the network that says when anybody speaks; its front end comes from the speaker network.

python -m deploy.local.models.training.segmentation --minutes 3
"""

import time
from pathlib import Path
from random import Random
from typing import Annotated

import numpy as np
import torch
import typer
from pyannote.audio.core.task import Problem, Resolution, Specifications
from torch.nn import functional

from deploy.local.models.training import bank as banks
from deploy.local.models.training.checkpoints import save, weights_of
from deploy.local.models.training.heard import remember
from deploy.local.models.training.registry import FOLDER
from deploy.local.models.training.speech import SAMPLE_RATE, Samples
from gpu_consumers.standins import SegmentationNet

SECONDS = 4.0  # of one example
BATCH = 12
CHUNK_SECONDS = 1.6  # what the pipeline shows it: short, so that hardly two people speak in one chunk
SPECIFICATIONS = Specifications(
    problem=Problem.MONO_LABEL_CLASSIFICATION,
    resolution=Resolution.FRAME,
    duration=CHUNK_SECONDS,
    min_duration=None,
    warm_up=(0.0, 0.0),
    classes=["speaker#1"],
    powerset_max_classes=1,
    permutation_invariant=True,
)


def example(speakers: dict[tuple[str, int], list[Samples]], random: Random) -> tuple[Samples, list[tuple[int, int]]]:
    """Some seconds of talk, and the samples between which somebody speaks."""
    length = int(SECONDS * SAMPLE_RATE)
    samples, spoken = banks.noise(length, random), []
    people = random.sample(sorted(speakers), random.choice((1, 2, 2, 3)))
    position = int(random.uniform(-1.0, 1.5) * SAMPLE_RATE)  # below zero: the example begins within a sentence
    while position < length:
        voice = random.choice(speakers[random.choice(people)])
        begin, end = max(position, 0), min(position + len(voice), length)
        if end > begin:
            samples[begin:end] += voice[begin - position : end - position] * np.float32(random.uniform(0.3, 1.0))
            spoken.append((begin, end))
        position += len(voice) + int(random.uniform(0.05, 1.2) * SAMPLE_RATE)
    if random.random() < 0.3:
        samples = banks.telephone(samples, random.choice(banks.TELEPHONE_HZ))
    return samples, spoken


def labels(spoken: list[tuple[int, int]], frames: int, hop: int) -> torch.Tensor:
    """1 for every frame whose middle is spoken."""
    target = torch.zeros(frames, dtype=torch.long)
    for begin, end in spoken:
        target[round(begin / hop) : round(end / hop)] = 1
    return target


def train(model: SegmentationNet, minutes: float, sentences: int) -> float:
    """Train in place; the mean loss of the last steps."""
    random, spoken = Random(3), banks.bank(sentences, seed=5)
    remember((item.sentence, item.voice) for item in spoken)
    speakers = banks.by_speaker(spoken)
    front = list(model.tdnn.parameters())
    rest = [weights for name, weights in model.named_parameters() if not name.startswith("tdnn")]
    optimizer = torch.optim.Adam([{"params": front, "lr": 3e-4}, {"params": rest, "lr": 1.5e-3}])
    began, mean, step = time.monotonic(), 1.0, 0

    def elapsed() -> float:
        return time.monotonic() - began

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1 - 0.95 * min(1.0, elapsed() / (minutes * 60)))
    model.train()
    while elapsed() < minutes * 60:
        examples = [example(speakers, random) for _ in range(BATCH)]
        scores = model(torch.from_numpy(np.stack([samples for samples, _ in examples]))[:, None])
        target = torch.stack([labels(spoken, scores.shape[1], 320) for _, spoken in examples])
        loss = functional.nll_loss(scores.flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean, step = 0.97 * mean + 0.03 * loss.item(), step + 1
        if step % 50 == 0:
            print(f"step {step}, {elapsed():.0f} s, loss {mean:.3f}", flush=True)
    model.eval()
    return mean


def main(
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 3.0,
    sentences: Annotated[int, typer.Option(help="How many sentences to synthesize first.")] = 1500,
    out: Annotated[Path, typer.Option(help="Folder of the diarizer.")] = FOLDER / "diarizer-tiny-espeak",
) -> None:
    """Train anew and write segmentation/pytorch_model.bin; run .registry afterwards."""
    torch.manual_seed(0)
    model = SegmentationNet()
    model.specifications = SPECIFICATIONS
    model.build()
    speaker = FOLDER / "diarizer-tiny-espeak" / "embedding" / "pytorch_model.bin"
    front = {name: weights for name, weights in weights_of(speaker).items() if name.startswith("tdnn")}
    model.load_state_dict(front, strict=False)
    loss = train(model, minutes, sentences)
    save(model, out / "segmentation" / "pytorch_model.bin")
    print(f"loss {loss:.3f}, written to {out}")


if __name__ == "__main__":
    typer.run(main)
