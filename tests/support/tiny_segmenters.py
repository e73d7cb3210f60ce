"""Tiny segmentation networks of Hugging Face, saved as people save them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf

NAMES = ["wall, brick", "building;edifice", "sky", "tree", "door"]


def swin() -> hf.SwinConfig:
    return hf.SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def segformer(**more: Any) -> torch.nn.Module:
    return hf.SegformerForSemanticSegmentation(
        hf.SegformerConfig(
            hidden_sizes=[8, 8, 16, 16],
            depths=[1, 1, 1, 1],
            num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16,
            **more,
        )
    )


def upernet(**more: Any) -> torch.nn.Module:
    backbone = hf.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        out_features=["stage1", "stage2", "stage3", "stage4"],
        layer_type="basic",
    )
    return hf.UperNetForSemanticSegmentation(
        hf.UperNetConfig(
            backbone_config=backbone,
            hidden_size=16,
            auxiliary_in_channels=16,
            auxiliary_channels=8,
            pool_scales=[1, 2],
            **more,
        )
    )


def beit(**more: Any) -> torch.nn.Module:
    return hf.BeitForSemanticSegmentation(
        hf.BeitConfig(
            image_size=32,
            patch_size=4,
            hidden_size=16,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=16,
            out_indices=[1, 2, 3, 4],
            pool_scales=[1, 2],
            **more,
        )
    )


def dpt(**more: Any) -> torch.nn.Module:
    return hf.DPTForSemanticSegmentation(
        hf.DPTConfig(
            image_size=32,
            patch_size=4,
            hidden_size=16,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=16,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[8, 8, 16, 16],
            fusion_hidden_size=16,
            **more,
        )
    )


def mask2former(**more: Any) -> torch.nn.Module:
    return hf.Mask2FormerForUniversalSegmentation(
        hf.Mask2FormerConfig(
            backbone_config=swin(),
            feature_size=32,
            mask_feature_size=32,
            hidden_dim=32,
            encoder_feedforward_dim=32,
            dim_feedforward=32,
            encoder_layers=1,
            decoder_layers=2,
            num_attention_heads=2,
            num_queries=6,
            **more,
        )
    )


def maskformer(**more: Any) -> torch.nn.Module:
    decoder = hf.DetrConfig(
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=6,
    )
    return hf.MaskFormerForInstanceSegmentation(
        hf.MaskFormerConfig(
            backbone_config=swin(), decoder_config=decoder, fpn_feature_size=32, mask_feature_size=32, **more
        )
    )


def oneformer(**more: Any) -> torch.nn.Module:
    return hf.OneFormerForUniversalSegmentation(
        hf.OneFormerConfig(
            backbone_config=swin(),
            num_queries=6,
            hidden_dim=32,
            mask_dim=32,
            conv_dim=32,
            encoder_feedforward_dim=32,
            dim_feedforward=32,
            encoder_layers=1,
            decoder_layers=2,
            num_attention_heads=2,
            text_encoder_width=16,
            text_encoder_context_length=8,
            text_encoder_num_layers=1,
            text_encoder_vocab_size=64,
            text_encoder_n_ctx=2,
            task_seq_len=8,
            query_dec_layers=1,
            is_training=False,
            **more,
        )
    )


def eomt(**more: Any) -> torch.nn.Module:
    return hf.EomtForUniversalSegmentation(
        hf.EomtConfig(
            hidden_size=16,
            num_hidden_layers=4,
            num_attention_heads=2,
            image_size=32,
            patch_size=4,
            num_blocks=1,
            num_queries=5,
            num_upscale_blocks=1,
            **more,
        )
    )


def clipseg() -> torch.nn.Module:
    text = {
        "vocab_size": 40,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 16,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    return hf.CLIPSegForImageSegmentation(
        hf.CLIPSegConfig(
            text_config=text,
            vision_config=vision,
            projection_dim=16,
            extract_layers=[1, 2, 3],
            reduce_dim=8,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=16,
        )
    )


def saved(
    make: Callable[..., torch.nn.Module],
    folder: Path,
    names: list[str] | None = NAMES,
    processor: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[torch.nn.Module, Path]:
    """A network with random weights, and the folder that `save_pretrained` wrote of it."""
    torch.manual_seed(0)
    if names is not None:
        more["id2label"] = dict(enumerate(names))
        more["label2id"] = {name: number for number, name in enumerate(names)}
    network = make(**more).eval()
    for name, value in network.named_parameters():  # clear answers, not all but zero
        if value.ndim > 1 and "norm" not in name:
            value.data.mul_(3)
    network.save_pretrained(folder)
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return network, folder


def tokenizer(folder: Path) -> None:
    """A CLIP tokenizer of single letters, saved beside a network."""
    letters = [chr(number) for number in range(ord("a"), ord("z") + 1)]
    known = ["<|startoftext|>", "<|endoftext|>", *(f"{letter}</w>" for letter in letters)]
    made = hf.CLIPTokenizer(vocab={word: number for number, word in enumerate(known)}, merges=[])
    made.save_pretrained(folder)
