/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The length of x86-64 instructions, by their opcode maps.
 *
 * A map has a line of 16 letters for each high digit of the opcode:
 *
 *	.  nothing follows             m  ModRM
 *	b  byte                        n  ModRM, byte
 *	e  16 bits and a byte          z  ModRM, 32 bits (16 with prefix 66)
 *	v  32 bits (16 with 66)        q  32 bits (64 with REX.W, 16 with 66)
 *	o  address of a MOV (64 bits)
 *	r  8-bit branch                R  32-bit branch
 *	t  control goes elsewhere      T  the same, with ModRM
 *	j  the same, with 16 bits      i  the same, with a byte
 *	p  prefix, escape or group     x  not an instruction of 64-bit code, or not known here
 */
#include "trap/insn.h"

static const char one_byte[16][17] = {
	"mmmmbvxxmmmmbvxp", /* 0 */
	"mmmmbvxxmmmmbvxx", /* 1 */
	"mmmmbvpxmmmmbvpx", /* 2 */
	"mmmmbvpxmmmmbvpx", /* 3 */
	"pppppppppppppppp", /* 4: REX */
	"................", /* 5 */
	"xxpmppppvzbn....", /* 6 */
	"rrrrrrrrrrrrrrrr", /* 7 */
	"nzxnmmmmmmmmmmmx", /* 8 */
	"..........x.....", /* 9 */
	"oooo....bv......", /* A */
	"bbbbbbbbqqqqqqqq", /* B */
	"nnjtppnze.jttixt", /* C */
	"mmmmxxx.mmmmmmmm", /* D */
	"rrrrbbbbRRxr....", /* E */
	"ptppt.pp......mp", /* F */
};

/* Behind 0F. */
static const char two_byte[16][17] = {
	"mmmmxt.t..xtxm.n", /* 0 */
	"mmmmmmmmmmmmmmmm", /* 1 */
	"mmmmxxxxmmmmmmmm", /* 2 */
	"....ttx.pxpxxxxx", /* 3 */
	"mmmmmmmmmmmmmmmm", /* 4 */
	"mmmmmmmmmmmmmmmm", /* 5 */
	"mmmmmmmmmmmmmmmm", /* 6 */
	"nnnnmmm.mmxxmmmm", /* 7 */
	"RRRRRRRRRRRRRRRR", /* 8 */
	"mmmmmmmmmmmmmmmm", /* 9 */
	"...mnmxx..tmnmmm", /* A */
	"mmmmmmmmmTnmmmmm", /* B */
	"mmnmnnnm........", /* C */
	"mmmmmmmmmmmmmmmm", /* D */
	"mmmmmmmmmmmmmmmm", /* E */
	"mmmmmmmmmmmmmmmT", /* F */
};

struct cursor {
	const u8 *code;
	size_t size, at;
	bool operand16, address32, wide;
};

static bool take(struct cursor *c, size_t n)
{
	if (n > c->size - c->at)
		return false;
	c->at += n;
	return true;
}

/* ModRM, SIB and displacement; *modrm gets the first. */
static bool take_modrm(struct cursor *c, struct insn *out, u8 *modrm)
{
	u8 mod, rm, sib;

	if (!take(c, 1))
		return false;
	*modrm = c->code[c->at - 1];
	mod = *modrm >> 6;
	rm = *modrm & 7;
	if (mod == 3)
		return true;
	if (rm == 4) {
		if (!take(c, 1))
			return false;
		sib = c->code[c->at - 1];
		if (mod == 0 && (sib & 7) == 5)
			return take(c, 4);
	} else if (mod == 0 && rm == 5) {
		out->rip_at = (u8)c->at;
		return take(c, 4);
	}
	return mod == 0 || take(c, mod == 1 ? 1 : 4);
}

/* What follows an opcode of kind @kind. */
static bool take_rest(struct cursor *c, struct insn *out, char kind)
{
	size_t immediate = c->operand16 && !c->wide ? 2 : 4;
	u8 modrm = 0;

	switch (kind) {
	case '.':
		return true;
	case 'b':
		return take(c, 1);
	case 'e':
		return take(c, 3);
	case 'v':
		return take(c, immediate);
	case 'q':
		return take(c, c->wide ? 8 : immediate);
	case 'o':
		return take(c, c->address32 ? 4 : 8);
	case 'r':
		out->transfer = true;
		return take(c, 1);
	case 'R':
		/* With an operand size prefix makers of processors disagree. */
		out->transfer = true;
		return !c->operand16 && take(c, 4);
	case 't':
		out->transfer = true;
		return true;
	case 'j':
		out->transfer = true;
		return take(c, 2);
	case 'i':
		out->transfer = true;
		return take(c, 1);
	case 'T':
		out->transfer = true;
		return take_modrm(c, out, &modrm);
	case 'm':
		return take_modrm(c, out, &modrm);
	case 'n':
		return take_modrm(c, out, &modrm) && take(c, 1);
	case 'z':
		return take_modrm(c, out, &modrm) && take(c, immediate);
	}
	return false;
}

/* Groups whose members differ: TEST has an immediate, indirect calls and jumps transfer control. */
static bool take_group(struct cursor *c, struct insn *out, u8 opcode)
{
	size_t immediate = opcode == 0xf6 ? 1 : c->operand16 && !c->wide ? 2 : 4;
	u8 modrm, reg;

	if (!take_modrm(c, out, &modrm))
		return false;
	reg = modrm >> 3 & 7;
	if (opcode == 0xff)
		out->transfer = reg >= 2 && reg <= 5;
	return opcode == 0xff || reg > 1 || take(c, immediate);
}

static bool take_vex(struct cursor *c, struct insn *out, u8 first)
{
	u8 map = 1, opcode, modrm;

	if (first != 0xc5) {
		if (c->at >= c->size)
			return false;
		map = c->code[c->at] & (first == 0x62 ? 7 : 0x1f);
	}
	if (!take(c, first == 0xc5 ? 1 : first == 0xc4 ? 2 : 3) || !take(c, 1))
		return false;
	opcode = c->code[c->at - 1];
	if (map == 1 && opcode == 0x77 && first != 0x62)
		return true; /* vzeroupper */
	if (map < 1 || map > 6 || map == 4 || !take_modrm(c, out, &modrm))
		return false;
	if (map == 3 || (map == 1 && ((opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
				      (opcode >= 0xc4 && opcode <= 0xc6))))
		return take(c, 1);
	return true;
}

static bool take_two_byte(struct cursor *c, struct insn *out)
{
	u8 opcode;

	if (!take(c, 1))
		return false;
	opcode = c->code[c->at - 1];
	if (opcode == 0x38 || opcode == 0x3a)
		return take(c, 1) && take_rest(c, out, opcode == 0x38 ? 'm' : 'n');
	return take_rest(c, out, two_byte[opcode >> 4][opcode & 15]);
}

static bool take_opcode(struct cursor *c, struct insn *out)
{
	u8 opcode;

	if (!take(c, 1))
		return false;
	opcode = c->code[c->at - 1];
	switch (opcode) {
	case 0x0f:
		return take_two_byte(c, out);
	case 0x62:
	case 0xc4:
	case 0xc5:
		return take_vex(c, out, opcode);
	case 0xf6:
	case 0xf7:
	case 0xff:
		return take_group(c, out, opcode);
	}
	return take_rest(c, out, one_byte[opcode >> 4][opcode & 15]);
}

static bool take_prefixes(struct cursor *c)
{
	for (; c->at < c->size; c->at++) {
		switch (c->code[c->at]) {
		case 0x66:
			c->operand16 = true;
			break;
		case 0x67:
			c->address32 = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0xf0:
		case 0xf2:
		case 0xf3:
			break;
		default:
			if (c->code[c->at] >> 4 != 4)
				return true;
			c->wide = c->code[c->at++] >> 3 & 1;
			return true; /* REX is the last */
		}
	}
	return false;
}

u32 insn_decode(const u8 *code, size_t size, struct insn *out)
{
	struct cursor c = {.code = code, .size = size < INSN_MAX ? size : INSN_MAX};

	*out = (struct insn){0};
	if (!take_prefixes(&c) || !take_opcode(&c, out))
		return 0;
	out->length = (u8)c.at;
	return out->length;
}
