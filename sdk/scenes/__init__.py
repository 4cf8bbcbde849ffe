"""Files that hold a head and how it moves: GLB (`glb`, `spoken`, `head`) and USD (`usd`)."""
