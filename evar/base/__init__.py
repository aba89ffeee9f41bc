"""What every stage uses: errors, files, YAML, calls with literals, plug-ins, progress, provenance, threads."""
