"""The documentation's site: `make docs` builds it from the Markdown files of this folder into build/site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from evar import __version__ as release

project = "EVAR"
extensions = ["myst_parser", "from_code"]
exclude_patterns = ["example", "plugin-template/tests", "plugin-template/evar_garden"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False  # what is quoted is typed
html_theme = "furo"
html_title = f"EVAR {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}
