#!/usr/bin/env python3
"""Writes data/hpsv2.txt: what PyTorch makes of small images on the way into HPSv2. Needs PyTorch (1.13 did it).

torchvision's Resize of a tensor, from 0.17 on, is torch's interpolate with antialias; its CenterCrop rounds halves to even.
"""
import os
import torch

SIZE = 6
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

with open(os.path.join(os.path.dirname(__file__), "data", "hpsv2.txt"), "w") as file:
    for width, height in [(6, 6), (6, 7), (6, 9), (11, 6), (9, 30), (31, 9), (5, 4), (3, 200), (640, 481), (1, 1)]:
        values = [(i * 37 + i // 7) % 256 for i in range(3 * width * height)]
        image = torch.tensor(values, dtype=torch.uint8).reshape(height, width, 3).permute(2, 0, 1).float().div(255)
        long = int(SIZE * max(width, height) / min(width, height))
        size = (long, SIZE) if width <= height else (SIZE, long)
        image = torch.nn.functional.interpolate(image[None], size=size, mode="bicubic", align_corners=False, antialias=True)[0]
        top, left = round((size[0] - SIZE) / 2), round((size[1] - SIZE) / 2)
        image = image[:, top:top + SIZE, left:left + SIZE]
        image = (image - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        print(width, height, *(f"{x:.7g}" for x in image.flatten().tolist()), file=file)
