"""PANNs: PaddleSpeech's audio classification networks CNN14, CNN10 and CNN6."""
