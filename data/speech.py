"""Words spoken by espeak-ng, as samples, WAV and noisy WAV."""

import io
import wave

from packages import run

RATE = 8_000  # Hz


def spoken(text, voice, pitch, speed):
    """Samples of the text spoken, at RATE, trimmed and with the same peak everywhere."""
    import numpy as np
    made = run("espeak-ng", "-v", voice, "-p", pitch, "-s", speed, "--stdout", text)
    with wave.open(io.BytesIO(made)) as w:
        rate, data = w.getframerate(), made[44:]
    x = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(float)
    # resampled in the frequency domain, with a soft edge below the new limit
    n = round(len(x) * RATE / rate)
    spectrum = np.fft.rfft(x)[: n // 2 + 1]
    hertz = np.arange(len(spectrum)) * rate / len(x)
    x = np.fft.irfft(spectrum * np.clip((RATE / 2 - 50 - hertz) / 250, 0, 1), n)
    loud = np.flatnonzero(np.abs(x) > 0.02 * np.abs(x).max())
    x = x[max(0, loud[0] - RATE // 80): loud[-1] + RATE // 80]
    return same_peak(x)


def same_peak(x):
    import numpy as np
    return (x / np.abs(x).max() * 0.8 * 32767).astype("<i2")


def noisy(samples, decibels, random):
    """The samples in white noise, the speech so many decibels louder than the noise."""
    import numpy as np
    x = samples.astype(float)
    noise = random.standard_normal(len(x)) * np.sqrt((x**2).mean()) * 10 ** (-decibels / 20)
    return same_peak(x + noise)


def wav(samples):
    out = io.BytesIO()
    with wave.open(out, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(samples.tobytes())
    return out.getvalue()
