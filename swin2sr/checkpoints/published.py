"""Registry entries of what the authors of Swin2SR and SwinIR published, one a file.

Source: releases of mv-lab/swin2sr (v0.0.1) and JingyunLiang/SwinIR (v0.0), and the repositories of
``caidas`` on the Hub, as of November 2026.
"""

from __future__ import annotations

from typing import Any

from swin2sr.checkpoints.entry import Entry
from swin2sr.config import Swin2SRConfig, SwinIRConfig

_PHOTOS = "DIV2K and Flickr2K, bicubic downscale"
_LIGHT = Swin2SRConfig(
    depths=(6,) * 4, embed_dim=60, num_heads=(6,) * 4, upsampler="pixelshuffledirect"
)

_SWIN2SR: tuple[Entry, ...] = (
    Entry(
        name="swin2sr-classical-x2",
        title="Clean pictures, twice the size",
        task="classical",
        config=Swin2SRConfig(),
        repo="caidas/swin2SR-classical-sr-x2-64",
        filename="model.safetensors",
        revision="cee1c923c6a37361c6e5650b65dcf4be821e5d52",
        sha256="a515955815ab6dba3a9331d8c75db13a5166a5ffbcebf1a95ab676a5656ac4fb",
        size_bytes=48_460_660,
        trained_on=_PHOTOS,
        aliases=("Swin2SR_ClassicalSR_X2_64",),
        twins=(
            "04834dbf863f00168ece32f9fc34ad1e3ad48ff1bf8098812573ed5810b59fa0",
            "adf54cd2539bec31262ce6d6f97fea5079fcb8388bc7eaff0082c0dc0c87259c",
        ),
    ),
    Entry(
        name="swin2sr-classical-x4",
        title="Clean pictures, four times the size",
        task="classical",
        config=Swin2SRConfig(upscale=4),
        repo="caidas/swin2SR-classical-sr-x4-64",
        filename="model.safetensors",
        revision="c69ef3e2d2ac5777ff4a9f2f5afcd86d20604b7e",
        sha256="e4e0680f28b663d62a64a3e1884336d0bac5b215da7903c618f41f58f4cc0ff4",
        size_bytes=49_051_724,
        trained_on=_PHOTOS,
        aliases=("Swin2SR_ClassicalSR_X4_64",),
        twins=("9fef30c758897992581f6b3ae7802bea246bc56d88dd36403d377d8dcf47a173",),
    ),
    Entry(
        name="swin2sr-compressed-x4",
        title="Small JPEG pictures, four times the size",
        task="compressed",
        config=Swin2SRConfig(upscale=4, image_size=48, upsampler="pixelshuffle_aux"),
        repo="caidas/swin2SR-compressed-sr-x4-48",
        filename="pytorch_model.bin",  # no safetensors on main at this commit
        revision="498d29976954b61c5c84f0bbddb7464124e1166c",
        sha256=None,  # not seen twice
        trained_on="DIV2K and Flickr2K, bicubic downscale, then JPEG",
        aliases=("Swin2SR_CompressedSR_X4_48",),
        twins=("ed3f5dac3c1b9d07c9803f586cde6cdd75c96d975b6e50625afb623f22cf2a79",),
    ),
    Entry(
        name="swin2sr-lightweight-x2",
        title="Clean pictures, twice the size, fast",
        task="lightweight",
        config=_LIGHT,
        repo="caidas/swin2SR-lightweight-x2-64",
        # The hash is of this file, and a pickle whose bytes are known is safe to read.
        filename="pytorch_model.bin",
        fallback="model.safetensors",
        revision=None,  # not seen
        sha256="9784753b51c4b93b87d53088b862c1961b04eaa69460463bed170d5c444b3d0b",
        size_bytes=4_175_069,
        trained_on=_PHOTOS,
        aliases=("Swin2SR_Lightweight_X2_64",),
    ),
    Entry(
        name="swin2sr-realworld-x4",
        title="Noisy, blurred pictures from anywhere, four times the size",
        task="realworld",
        config=Swin2SRConfig(upscale=4, upsampler="nearest+conv"),
        repo="caidas/swin2SR-realworld-sr-x4-64-bsrgan-psnr",
        filename="pytorch_model.bin",  # no safetensors on main at this commit
        revision="bb13f02e45e88d00b6c202b3fbe6a181af144606",
        sha256=None,  # not seen twice
        trained_on="photographs with BSRGAN's random degradations",
        aliases=("Swin2SR_RealworldSR_X4_64_BSRGAN_PSNR",),
        twins=("2b7afb6ba8c076f7a4987001c142b7bc5f23bf229125775eee599faf5bf7c40e",),
    ),
    Entry(
        name="swin2sr-jpeg",
        title="JPEG pictures, same size, without blocks",
        task="jpeg",
        config=Swin2SRConfig(
            num_channels=1,
            upscale=1,
            image_size=126,
            window_size=7,
            img_range=255.0,
            upsampler="",
        ),
        filename="Swin2SR_Jpeg_dynamic.pth",
        url="https://github.com/mv-lab/swin2sr/releases/download/v0.0.1/Swin2SR_Jpeg_dynamic.pth",
        sha256=None,  # not seen
        trained_on="grey pictures with JPEG of varying quality",
        aliases=("Swin2SR_Jpeg_dynamic",),
    ),
)

# ------------------------------------------------------------------------------------------ SwinIR

_SWINIR_RELEASE = "https://github.com/JingyunLiang/SwinIR/releases/download/v0.0"
_NOISE = "DIV2K, Flickr2K, BSD500 and WED, white Gaussian noise"
_JPEG = "DIV2K, Flickr2K, BSD500 and WED, JPEG"
_REAL = "photographs with BSRGAN's random degradations"


# sha256 of the release's files, where two independent public records agree.
_SHA256 = {
    "classical-x2-div2k": "ac6d4895f73aa1b3d563937e29dcedcfdff4d401280e248f23db3c6f68e8343b",
    "classical-x3-div2k": "d835497f2332aae839ae19a033290ced8686fa2a795f76fc5153ec2c83003f75",
    "classical-x4-div2k": "129dc773ba2d4c07f3eb0bb116fbe692011b7cc072d9ca12797cd3748198610a",
    "classical-x8-div2k": "3c3ae9238a7125e52aab457df052aa8981adb2fb8e42b6d4112a96b3c19432d7",
    "classical-x2": "2032ebf8f401dd3ce2fae5f3852117cb72101ec6ed8358faa64c2a3fa09ed4ac",
    "classical-x3": "6eca3aee41f53322cd2f5a13650e212b80be8f3c0439d6fe19aef13ab1f509c7",
    "classical-x4": "4e78e33f22c1aa8a773db0cf4a7381bae97c2362c717f155439ebc690cbd9215",
    "classical-x8": "6b522c1ea5c21006ce3398797eb20b131ca0024cc6e7b8f3d5d29fad1310a49c",
    "lightweight-x2": "193b229909ca89cd8b55de9c9e7fce146ae759d59dfcd78d8feb9dd1d6fa0fd7",
    "lightweight-x4": "09fad24e32ae62722e1a055efde9921328f4137981bab0a42a4a3a806306c58e",
    "realworld-x2": "f397408977a3e07eb06afb7238d453a12ef35ebab7328a54241f307860dbe342",
    "realworld-x4": "b9afb61e65e04eb7f8aba5095d070bbe9af28df76acd0c9405aeb33b814bcfc6",
    "realworld-x4-psnr": "1fd8fed99684bd271db55563e4906d36459cf535446820053f7a1081d4781dc5",
    "realworld-large-x4": "99adfa91350a84c99e946c1eb3d8fce34bc28f57d807b09dc8fe40a316328c0a",
    "realworld-large-x4-psnr": "450be6eac63a59959b55a83df6743444de9f018547f81d16f699b3680d366ad7",
    "denoise-colour-15": "917cd972f7ba80786871add249ad43e4477ce2db59b4ad63e2fa446f7221d013",
    "jpeg-colour-10": "0005b707e0e6f75b4d13c7447e2f184858ddbdcec95aa7eb8c07e8afa1d26bd9",
    "jpeg-colour-40": "265c18d8809aaca0cd97a6283bee0ed1883ab88395e456381264cac2bb7b5867",
}
_BYTES = {
    "classical-x4-div2k": 59_611_499,
    "classical-x2": 67_277_475,
    "classical-x3": 68_016_035,
    "classical-x4": 67_869_037,
    "lightweight-x2": 17_147_989,
    "realworld-x2": 66_974_517,
    "realworld-x4": 67_129_861,
    "realworld-x4-psnr": 67_129_849,
    "realworld-large-x4": 142_473_939,
    "realworld-large-x4-psnr": 142_473_947,
    "denoise-colour-15": 122_905_743,
    "jpeg-colour-10": 102_873_665,
    "jpeg-colour-40": 102_873_665,
}


def _swinir(name: str, file: str, task: str, title: str, trained_on: str, **config: Any) -> Entry:
    """Registry entry of a file of SwinIR's release."""
    return Entry(
        name=f"swinir-{name}",
        title=title,
        task=task,
        config=SwinIRConfig(**config),
        filename=f"{file}.pth",
        url=f"{_SWINIR_RELEASE}/{file}.pth",
        sha256=_SHA256.get(name),
        size_bytes=_BYTES.get(name),
        trained_on=trained_on,
        aliases=(file,),
    )


_TIMES = {2: "twice", 3: "three times", 4: "four times", 8: "eight times"}
_LARGE: dict[str, Any] = {
    "embed_dim": 240,
    "depths": (6,) * 9,
    "num_heads": (8,) * 9,
    "resi_connection": "3conv",
}
_SMALL: dict[str, Any] = {"embed_dim": 60, "depths": (6,) * 4, "num_heads": (6,) * 4}
_SAME_SIZE: dict[str, Any] = {"upscale": 1, "upsampler": ""}
_BLOCKS: dict[str, Any] = _SAME_SIZE | {"image_size": 126, "window_size": 7, "img_range": 255.0}

_SWINIR: tuple[Entry, ...] = (
    *(
        _swinir(
            f"classical-x{scale}{suffix}",
            f"001_classicalSR_{data}_s{size}w8_SwinIR-M_x{scale}",
            "classical",
            f"Clean pictures, {_TIMES[scale]} the size",
            f"{photos}, bicubic downscale",
            upscale=scale,
            image_size=size,
        )
        for data, size, suffix, photos in (
            ("DF2K", 64, "", "DIV2K and Flickr2K"),
            ("DIV2K", 48, "-div2k", "DIV2K"),
        )
        for scale in (2, 3, 4, 8)
    ),
    *(
        _swinir(
            f"lightweight-x{scale}",
            f"002_lightweightSR_DIV2K_s64w8_SwinIR-S_x{scale}",
            "lightweight",
            f"Clean pictures, {_TIMES[scale]} the size, fast",
            "DIV2K, bicubic downscale",
            upscale=scale,
            upsampler="pixelshuffledirect",
            **_SMALL,
        )
        for scale in (2, 3, 4)
    ),
    *(
        _swinir(
            f"realworld{'-large' if letter == 'L' else ''}-x{scale}{suffix}",
            f"003_realSR_BSRGAN_{data}_s64w8_SwinIR-{letter}_x{scale}_{loss}",
            "realworld",
            f"Pictures from anywhere, {_TIMES[scale]} the size, {look}",
            _REAL,
            upscale=scale,
            upsampler="nearest+conv",
            **(_LARGE if letter == "L" else {}),
        )
        for letter, data, scale in (("M", "DFO", 2), ("M", "DFO", 4), ("L", "DFOWMFC", 4))
        for loss, suffix, look in (("GAN", "", "crisp"), ("PSNR", "-psnr", "faithful"))
    ),
    *(
        _swinir(
            f"denoise-{colour}-{noise}",
            f"{number}_{'gray' if channels == 1 else 'color'}DN_DFWB_s128w8_SwinIR-M_noise{noise}",
            "denoise",
            f"{look} pictures without noise (deviation {noise} of 255)",
            _NOISE,
            num_channels=channels,
            image_size=128,
            **_SAME_SIZE,
        )
        for number, colour, channels, look in (
            ("004", "grey", 1, "Grey"),
            ("005", "colour", 3, "Colour"),
        )
        for noise in (15, 25, 50)
    ),
    *(
        _swinir(
            f"jpeg-{colour}-{quality}",
            f"006_{prefix}_DFWB_s126w7_SwinIR-M_jpeg{quality}",
            "jpeg",
            f"{look} JPEG pictures of quality {quality}, without blocks",
            f"{_JPEG} of quality {quality}",
            num_channels=channels,
            **_BLOCKS,
        )
        for prefix, colour, channels, look in (
            ("CAR", "grey", 1, "Grey"),
            ("colorCAR", "colour", 3, "Colour"),
        )
        for quality in (10, 20, 30, 40)
    ),
)

PUBLISHED = (*_SWIN2SR, *_SWINIR)
