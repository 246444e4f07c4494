"""`python -m openai_image_nodes`: the command `openai-image`."""

import sys

from .cli import main

sys.exit(main())
