"""The portal under load while its services die and its keys change: `demo.py --soak SECONDS`."""
