"""Figures, margins and verdicts as text, in English and Korean."""

from __future__ import annotations

from .experiment import Claim
from .outcome import FEWEST, Outcome, Verdict

WORDS = {
    "en": {
        "networks": "Networks and gradients",
        "activations": "Activation functions",
        "preprocessing": "Data preprocessing",
        "initialization": "Weight initialization",
        "normalization": "Batch normalization",
        "losses": "Losses",
        "regularization": "Regularization",
        "dropout": "Dropout and other noise",
        "optimizers": "Optimizers",
        "second_order": "Second-order methods",
        "babysitting": "Babysitting the training",
        "search": "Hyperparameter search",
        "ensembles": "Ensembles and averages",
        "augmentation": "Data augmentation",
        "transfer": "Transfer learning",
        "page": "The lab",
        "lead": "Claims of a course on training networks, each run over several seeds and judged by a margin that was "
        "stated before the run.",
        "rule": "A claim holds if at least four of five seeds, and the median of all, lie within its margin.",
        "tally": "{holds} of {all} claims hold, in {experiments} experiments.",
        "quick": "Short form: less data and fewer steps. Some verdicts differ from those of the full form.",
        "missing": "Not run, because a data set or a package is not there: {names}.",
        "claims": "All claims",
        "claim": "Claim",
        "source": "Source",
        "setting": "Setting",
        "measured": "Measured",
        "margin": "Margin",
        "verdict": "Verdict",
        "holds": "holds",
        "fails": "does not hold",
        "open": f"open: fewer than {FEWEST} seeds",
        "seeds": "{supported} of {seeds} seeds",
        "range": "{median} ({low} to {high})",
        "at least": "at least {}",
        "at most": "at most {}",
        "between": "{} to {}",
        "points": "points",
        "none": "not finite",
        "time": "{seeds} seeds, {time}",
        "seconds": "{:.1f} s",
        "minutes": "{} min {} s",
        "code": "Code",
        "made by": "Written by pynn {version} on the {backend} backend with",
    },
    "ko": {
        "networks": "신경망과 기울기",
        "activations": "활성화 함수",
        "preprocessing": "데이터 전처리",
        "initialization": "가중치 초깃값",
        "normalization": "배치 정규화",
        "losses": "손실 함수",
        "regularization": "규제 기법",
        "dropout": "드롭아웃과 그 밖의 잡음",
        "optimizers": "최적화 기법",
        "second_order": "이차 최적화",
        "babysitting": "학습 과정 살피기",
        "search": "하이퍼파라미터 탐색",
        "ensembles": "앙상블과 평균",
        "augmentation": "데이터 증강",
        "transfer": "전이 학습",
        "page": "실험실",
        "lead": "신경망 학습 강의의 주장을 하나씩 여러 시드로 실행하고, 실행 전에 정해 둔 기준으로 판정한 결과이다.",
        "rule": "시드 다섯 개 중 네 개 이상과 전체의 중앙값이 기준 안에 들면 그 주장은 성립한다.",
        "tally": "실험 {experiments}개의 주장 {all}개 중 {holds}개가 성립한다.",
        "quick": "짧은 실행이다. 데이터와 갱신 횟수를 줄였으므로 전체 실행과 판정이 다를 수 있다.",
        "missing": "데이터셋이나 패키지가 없어 실행하지 않은 실험: {names}.",
        "claims": "모든 주장",
        "claim": "주장",
        "source": "출처",
        "setting": "설정",
        "measured": "측정값",
        "margin": "기준",
        "verdict": "판정",
        "holds": "성립",
        "fails": "불성립",
        "open": f"보류: 시드가 {FEWEST}개보다 적다",
        "seeds": "시드 {seeds}개 중 {supported}개",
        "range": "{median} ({low} ~ {high})",
        "at least": "{} 이상",
        "at most": "{} 이하",
        "between": "{} ~ {}",
        "points": "%p",
        "none": "유한하지 않음",
        "time": "시드 {seeds}개, {time}",
        "seconds": "{:.1f}초",
        "minutes": "{}분 {}초",
        "code": "코드",
        "made by": "pynn {version}({backend} 백엔드)의 다음 명령으로 작성함:",
    },
}

KOREAN_UNITS = {"steps": "번", "rises": "번", "scales": "가지", "of 12": "/12", "of 4": "/4"}


def number(value: float, unit: str, language: str = "en") -> str:
    """A figure with its unit."""
    words = WORDS[language]
    if value != value:
        return words["none"]
    if unit == "%":
        return f"{_plain(100 * value)} %" if language == "en" else f"{_plain(100 * value)}%"
    if unit == "points":
        between = " " if language == "en" else ""
        return f"{_plain(100 * value)}{between}{words['points']}"
    if unit == "x":
        return f"{_plain(value)} ×" if language == "en" else f"{_plain(value)}배"
    if language == "ko" and unit in KOREAN_UNITS:
        return f"{_plain(value)}{KOREAN_UNITS[unit]}"
    return f"{_plain(value)} {unit}".strip()


def _plain(value: float) -> str:
    """Three significant digits without an exponent where that is legible."""
    text = f"{value:.3g}"
    if "e" in text and 1e-4 <= abs(value) < 1e7:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6f}".rstrip("0")
    return text.replace("-", "−")  # a minus sign


def margin(claim: Claim, language: str = "en") -> str:
    """The margin of a claim: "at least 3 points"."""
    words = WORDS[language]
    low, high = (
        None if each is None else number(each, claim.unit, language) for each in (claim.at_least, claim.at_most)
    )
    if low is not None and high is not None:
        return words["between"].format(low, high)
    return words["at most"].format(high) if low is None else words["at least"].format(low)


def measured(verdict: Verdict, language: str = "en") -> str:
    """The median of the seeds with the least and the greatest."""
    words, unit = WORDS[language], verdict.claim.unit
    finite = [figure for figure in verdict.figures if figure == figure]
    middle = number(verdict.median, unit, language)
    if len(finite) < 2 or len(set(finite)) == 1:
        return middle
    low, high = (number(end, unit, language) for end in (min(finite), max(finite)))
    return words["range"].format(median=middle, low=low, high=high)


def verdict(verdict: Verdict, language: str = "en") -> str:
    """In a word or two: "holds"."""
    return WORDS[language][verdict.state]


def seeds(verdict: Verdict, language: str = "en") -> str:
    """How many of them support the claim."""
    return WORDS[language]["seeds"].format(supported=verdict.supported, seeds=len(verdict.figures))


def duration(seconds: float, language: str = "en") -> str:
    """Seconds, or minutes and seconds."""
    words = WORDS[language]
    if seconds < 59.95:
        return words["seconds"].format(seconds)
    return words["minutes"].format(*divmod(round(seconds), 60))


def ran(outcome: Outcome, language: str = "en") -> str:
    """Seeds and time of an outcome."""
    return WORDS[language]["time"].format(seeds=len(outcome.results), time=duration(outcome.seconds, language))
